/** The buttons by which a person says what is in a photo, or in several. */
import { breedField } from "./breed_field.js";
import { h, icon } from "./dom.js";
import { typedBreed } from "./reviews.js";

/**
 * @typedef {{
 *   keys: () => string[], reviews: import("./reviews.js").Reviews, breeds: () => Promise<import("./api.js").Breed[]>,
 *   drafts: import("./drafts.js").Drafts, said: (keys: string[]) => void,
 * }} Parts `said` is called after a word was given
 */

export class Verdicts {
  #parts;
  #typing = h("div", { class: "typing", hidden: true });
  element;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    const button = (label, key, run, look = "") =>
      h("button", { type: "button", class: look, click: run, "aria-keyshortcuts": key }, label, h("kbd", { "aria-hidden": "true" }, key));
    this.element = h("div", { class: "verdicts" },
      h("div", { class: "choices", role: "group", "aria-label": "What is it?" },
        button([icon("check"), "Right"], "y", () => this.give("RIGHT"), "accent"),
        button("Breed…", "t", () => this.type()),
        button("No dog", "n", () => this.give("NO_DOG")),
        button("Not sure", "u", () => this.give("UNSURE"))),
      this.#typing);
  }

  /**
   * @param {string} verdict
   * @param {string} [breed]
   * @param {string[]} [keys] of the photos that it is about
   */
  give(verdict, breed, keys = this.#parts.keys()) {
    if (keys.length && this.#parts.reviews.give(keys, verdict, breed)) {
      this.stopTyping();
      this.#parts.said(keys);
    }
  }

  /** Opens the field for a breed, with what had been typed there before. */
  type() {
    const keys = this.#parts.keys();
    if (keys.length === 0) return;
    const [key] = keys;
    const { drafts } = this.#parts;
    const { element, input } = breedField({
      label: "Which breed is it?",
      breeds: this.#parts.breeds,
      value: drafts.typed(key),
      anew: true,
      placeholder: "Type a breed",
      typed: (text) => drafts.type(key, text),
      choose: (text) => this.#choose(text),
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      this.stopTyping();
    });
    this.#typing.replaceChildren(element,
      h("button", { type: "button", class: "accent", click: () => this.#choose(input.value) }, "Save"),
      h("button", { type: "button", class: "plain", click: () => this.stopTyping() }, "Cancel"));
    this.#typing.hidden = false;
    input.focus();
  }

  /** Goes on typing where the person left off. */
  resume() {
    const [key] = this.#parts.keys();
    if (this.#typing.hidden && this.element.checkVisibility() && this.#parts.drafts.typed(key)) this.type();
  }

  stopTyping() {
    if (this.#typing.hidden) return;
    const inside = this.#typing.contains(document.activeElement);
    this.#parts.drafts.type("", "");
    this.#typing.hidden = true;
    this.#typing.replaceChildren();
    if (inside) this.element.querySelector("button").focus();
  }

  /** @param {string} name of a command @returns {boolean} whether it was one of these */
  obey(name) {
    if (name === "right") this.give("RIGHT");
    else if (name === "no dog") this.give("NO_DOG");
    else if (name === "unsure") this.give("UNSURE");
    else if (name === "type") this.type();
    else return false;
    return true;
  }

  async #choose(text) {
    if (!text.trim()) return;
    // Before the wait: meanwhile the person may have gone to another photo.
    const keys = this.#parts.keys();
    const known = await this.#parts.breeds().catch(() => []);
    const { verdict, breed } = typedBreed(text, known);
    this.give(verdict, breed, keys);
  }
}
