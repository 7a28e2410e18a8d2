/** One photo in large over the grid, with everything that is known about it. */
import { details, title } from "./details.js";
import { show } from "./dialogs.js";
import { h, icon, newId } from "./dom.js";
import { command, GUESSES } from "./keys.js";
import { Picture } from "./picture.js";
import { failureWords, fileName } from "./words.js";
import { Verdicts } from "./verdicts.js";

/**
 * @typedef {import("./main.js").Parts} Parts
 * @typedef {{key: string, neighbour: (key: string, step: number) => string | null, move: (key: string) => void,
 *   closed: (key: string) => void}} Options `neighbour` is the key that many photos away, null at the end
 */

export class Loupe {
  #parts;
  #options;
  #key = "";
  #stop = new AbortController();
  #picture;
  #verdicts = null;
  #heading = h("h2", { id: newId("photo") });
  #body = h("div", { class: "details" });
  #before = h("button", { type: "button", class: "round before", "aria-label": "Photo before", click: () => this.#step(-1) }, icon("left"));
  #after = h("button", { type: "button", class: "round after", "aria-label": "Next photo", click: () => this.#step(1) }, icon("right"));
  #dialog;

  /**
   * @param {Parts} parts
   * @param {Options} options
   */
  constructor(parts, options) {
    this.#parts = parts;
    this.#options = options;
    this.#picture = new Picture(parts.api);
    if (parts.session.canReview) {
      this.#verdicts = new Verdicts({ ...parts, keys: () => [this.#key], said: () => this.#draw() });
    }
    const close = h("button", { type: "button", class: "round close", "aria-label": "Close", click: () => this.#dialog.close() }, icon("close"));
    this.#dialog = h("dialog", { class: "loupe", "aria-labelledby": this.#heading.id, keydown: (event) => this.#press(event) },
      h("div", { class: "stage" }, this.#picture.element, this.#before, this.#after, close),
      h("div", { class: "panel" }, h("header", {}, this.#heading), this.#body, this.#foot()));
    const changed = (event) => event.detail === this.#key && this.#draw();
    const refused = (event) => event.detail === this.#key && this.#load();
    parts.rows.addEventListener("change", changed);
    parts.reviews.addEventListener("replaced", refused);
    parts.reviews.addEventListener("saved", this.#reload);
    show(this.#dialog, parts.news, () => {
      parts.rows.removeEventListener("change", changed);
      parts.reviews.removeEventListener("replaced", refused);
      parts.reviews.removeEventListener("saved", this.#reload);
      this.#stop.abort();
      this.#dialog.remove();
      options.closed(this.#key);
    });
    this.show(options.key);
    this.#verdicts?.resume();
  }

  /** @param {string} key */
  show(key) {
    if (key === this.#key) return;
    this.#verdicts?.stopTyping();
    this.#key = key;
    this.#body.scrollTop = 0;
    this.#draw();
    this.#load();
    this.refresh();
    const next = this.#parts.rows.get(this.#options.neighbour(key, 1) ?? "");
    if (next) this.#picture.expect(next);
  }

  /** The list around it has changed. */
  refresh() {
    this.#before.disabled = this.#options.neighbour(this.#key, -1) === null;
    this.#after.disabled = this.#options.neighbour(this.#key, 1) === null;
  }

  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  #reload = () => this.#load();

  #foot() {
    const words = "You may look, not review. Ask for the group reviewers to put answers right.";
    return h("footer", {}, this.#verdicts?.element ?? h("p", { class: "quiet" }, words));
  }

  #draw() {
    const row = this.#parts.rows.get(this.#key);
    if (!row) {
      this.#heading.textContent = fileName(this.#key);
      this.#body.replaceChildren(h("p", { class: "quiet" }, "Loading…"));
      return;
    }
    const may = this.#verdicts && row.top;
    this.#heading.textContent = title(row);
    const focus = [...this.#body.querySelectorAll("button")].indexOf(document.activeElement);
    this.#body.replaceChildren(...details(row, may ? { take: (label) => this.#take(label) } : {}));
    if (focus >= 0) this.#body.querySelectorAll("button")[focus]?.focus();
    if (this.#verdicts) this.#verdicts.element.hidden = !row.top;
    this.#picture.show(row);
  }

  async #load() {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    try {
      const row = await this.#parts.api.prediction(this.#key, signal);
      if (!signal.aborted) this.#parts.rows.detail(row);
    } catch (error) {
      if (signal.aborted || error.name === "SignedOut") return;
      const words = error.status === 404 ? "There is no such photo. It may have been deleted, or it is not answered yet." : failureWords(error);
      if (this.#parts.rows.get(this.#key)) this.#parts.news.warn(words, { name: "loupe" });
      else this.#body.replaceChildren(h("p", { class: "failure" }, words));
    }
  }

  #take(label) {
    this.#verdicts?.give("WRONG_BREED", label);
  }

  #step(by) {
    const key = this.#options.neighbour(this.#key, by);
    if (key) this.#options.move(key);
  }

  #press(event) {
    if (event.target.closest("input, select")) return;
    const name = { ArrowRight: "next", ArrowLeft: "before" }[event.key] ?? command(event);
    if (!name || (name.startsWith && event.ctrlKey)) return;
    if (name === "next" || name === "before") this.#step(name === "next" ? 1 : -1);
    else if (name === "undo" && this.#verdicts) this.#parts.reviews.undo(this.#key);
    else if (name in GUESSES) this.#guess(GUESSES[name]);
    else if (name === "help") this.#parts.help();
    else if (!this.#verdicts?.obey(name)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #guess(index) {
    const guess = this.#parts.rows.get(this.#key)?.top?.[index];
    if (guess) this.#take(guess.label);
  }
}
