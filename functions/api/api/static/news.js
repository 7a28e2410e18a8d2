/** Short messages at the edge of the page. Screen readers hear them, and failures stay until they are closed. */
import { h, icon } from "./dom.js";

/**
 * @typedef {{label: string, key?: string, run: () => void}} Action
 * @typedef {{name?: string, action?: Action}} Options name: a message with the same name is replaced
 */

const READ_MS = 7_000;

export class News {
  #place;
  #status;
  #alert;
  /** @type {Map<string, () => void>} */
  #named = new Map();

  /** @param {HTMLElement} place with one region for news and one for failures */
  constructor(place) {
    this.#place = place;
    this.#status = place.querySelector("[role=status]");
    this.#alert = place.querySelector("[role=alert]");
  }

  /**
   * @param {string} text
   * @param {Options} [options]
   * @returns {() => void} closes it
   */
  say(text, options = {}) {
    return this.#show(this.#status, text, options, READ_MS);
  }

  /**
   * News for those who hear the page; others see it elsewhere.
   * @param {string} text
   */
  hear(text) {
    this.#status.querySelector(".unseen")?.remove();
    this.#status.append(h("p", { class: "unseen" }, text));
  }

  /**
   * A failure: it stays until it is closed.
   * @param {string} text
   * @param {Options} [options]
   * @returns {() => void} closes it
   */
  warn(text, options = {}) {
    return this.#show(this.#alert, text, options, 0);
  }

  /** @param {string} name of a message that is no longer true */
  close(name) {
    this.#named.get(name)?.();
  }

  /**
   * What lies outside of an open dialog can neither be read nor pressed, so the messages go inside.
   * @param {HTMLElement} parent
   */
  moveTo(parent) {
    if (this.#place.parentElement !== parent) parent.append(this.#place);
  }

  #show(region, text, { name = text, action }, readMs) {
    this.#named.get(name)?.();
    let timer = 0;
    const close = () => {
      clearTimeout(timer);
      message.remove();
      if (this.#named.get(name) === close) this.#named.delete(name);
    };
    const act = () => {
      close();
      action?.run();
    };
    const message = h("div", { class: region === this.#alert ? "message failure" : "message" },
      h("p", {}, text),
      action && h("button", { type: "button", class: "plain strong", click: act }, action.label, action.key && h("kbd", {}, action.key)),
      h("button", { type: "button", class: "plain small", "aria-label": "Close this message", click: close }, icon("close")));
    const wait = () => {
      if (readMs) timer = setTimeout(close, readMs);
    };
    for (const event of ["pointerenter", "focusin"]) message.addEventListener(event, () => clearTimeout(timer));
    for (const event of ["pointerleave", "focusout"]) message.addEventListener(event, wait);
    this.#named.set(name, close);
    region.append(message);
    wait();
    return close;
  }
}
