/** The loupe: one photo over the grid, and the way to those beside it. */
import { Closeup } from "./closeup.js";
import { show } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { failureWords } from "./words.js";

/**
 * @typedef {{key: string, neighbour: (key: string, step: number) => string | null, move: (key: string) => void,
 *   closed: (key: string) => void}} Options `neighbour` is the key that many photos away, null at the end
 */

export class Loupe {
  #parts;
  #options;
  #stop = new AbortController();
  #closeup;
  #dialog;

  /**
   * @param {import("./main.js").Parts} parts
   * @param {Options} options
   */
  constructor(parts, options) {
    this.#parts = parts;
    this.#options = options;
    this.#closeup = new Closeup(parts, {
      step: (by) => this.#step(by),
      said: () => this.#closeup.draw(),
      undo: () => parts.reviews.undo(this.#closeup.key),
      corner: h("button", { type: "button", class: "round close", "aria-label": "Close", click: () => this.close() }, icon("close")),
    });
    this.#dialog = h("dialog", {
      class: "loupe", "aria-labelledby": this.#closeup.heading.id, keydown: (event) => this.#closeup.press(event),
    }, ...this.#closeup.elements);
    this.show(options.key);
    parts.reviews.addEventListener("saved", this.#load);
    parts.reviews.addEventListener("replaced", this.#load);
    show(this.#dialog, parts.news, () => {
      parts.reviews.removeEventListener("saved", this.#load);
      parts.reviews.removeEventListener("replaced", this.#load);
      this.#stop.abort();
      this.#closeup.close();
      this.#dialog.remove();
      options.closed(this.#closeup.key);
    });
    this.#closeup.resume();
  }

  /** @param {string} key */
  show(key) {
    if (key === this.#closeup.key) return;
    this.#closeup.show(key);
    this.refresh();
    this.#closeup.expect(this.#options.neighbour(key, 1));
    this.#load();
  }

  /** The list around it has changed. */
  refresh() {
    const there = (by) => this.#options.neighbour(this.#closeup.key, by) !== null;
    this.#closeup.allow(there(-1), there(1));
  }

  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  #step(by) {
    const key = this.#options.neighbour(this.#closeup.key, by);
    if (key) this.#options.move(key);
  }

  #load = async () => {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const { key } = this.#closeup;
    try {
      const row = await this.#parts.api.prediction(key, signal);
      if (signal.aborted) return;
      this.#parts.rows.detail(row);
      this.#closeup.resume();
    } catch (error) {
      if (signal.aborted || error.name === "SignedOut") return;
      const words = error.status === 404 ? "There is no such photo: it was deleted, or it is not answered yet." : failureWords(error);
      if (this.#parts.rows.get(key)) this.#parts.news.warn(words, { name: "loupe" });
      else this.#closeup.say(words);
    }
  };
}
