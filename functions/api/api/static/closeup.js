/** One photo in large with what is known about it and the buttons to say what it is. Loupe and queue show it. */
import { details, title } from "./details.js";
import { h, icon, newId } from "./dom.js";
import { command, GUESSES } from "./keys.js";
import { Picture } from "./picture.js";
import { Verdicts } from "./verdicts.js";
import { fileName } from "./words.js";

/**
 * @typedef {{
 *   step: (by: number) => void, said: () => void, undo: () => void, above?: Node, corner?: Node,
 * }} Options `above` stands over the heading, `corner` in the corner of the photo
 */

export class Closeup {
  #parts;
  #options;
  #picture;
  #verdicts = null;
  #body = h("div", { class: "details" });
  #foot;
  #before;
  #after;
  key = "";
  heading = h("h2", { id: newId("photo"), tabindex: "-1", autofocus: true });
  /** @type {Node[]} */
  elements;

  /**
   * @param {import("./main.js").Parts} parts
   * @param {Options} options
   */
  constructor(parts, options) {
    this.#parts = parts;
    this.#options = options;
    this.#picture = new Picture(parts.api);
    if (parts.session.canReview) this.#verdicts = new Verdicts({ ...parts, keys: () => (this.key ? [this.key] : []), said: options.said });
    const round = (label, name, by) =>
      h("button", { type: "button", class: `round ${name}`, "aria-label": label, click: () => options.step(by) }, icon(by < 0 ? "left" : "right"));
    this.#before = round("Photo before", "before", -1);
    this.#after = round("Next photo", "after", 1);
    const words = "You may look, not review. Ask for the group reviewers to put answers right.";
    this.#foot = h("footer", {}, this.#verdicts?.element ?? h("p", { class: "quiet" }, words));
    this.elements = [
      h("div", { class: "stage" }, this.#picture.element, this.#before, this.#after, options.corner ?? ""),
      h("div", { class: "panel" }, h("header", {}, options.above ?? "", this.heading), this.#body, this.#foot),
    ];
    parts.rows.addEventListener("change", this.#changed);
  }

  /** @param {string} key */
  show(key) {
    if (key !== this.key) {
      this.#verdicts?.stopTyping();
      this.#body.scrollTop = 0;
      this.key = key;
    }
    this.draw();
  }

  /** Goes on where the person was typing. */
  resume() {
    this.#verdicts?.resume();
  }

  /**
   * Whether there is a way on. The buttons stay where they are, so that none takes the focus along.
   * @param {boolean} before
   * @param {boolean} after
   */
  allow(before, after) {
    this.#before.setAttribute("aria-disabled", String(!before));
    this.#after.setAttribute("aria-disabled", String(!after));
  }

  draw() {
    const row = this.#parts.rows.get(this.key);
    if (!row) {
      this.heading.textContent = fileName(this.key);
      this.say("Loading…");
      return;
    }
    const may = this.#verdicts && row.top;
    const at = [...this.#body.querySelectorAll("button")].indexOf(document.activeElement);
    this.heading.textContent = title(row);
    this.#body.replaceChildren(...details(row, may ? { take: (label) => this.#take(label) } : {}));
    if (at >= 0) (this.#body.querySelectorAll("button")[at] ?? this.heading).focus({ preventScroll: true });
    this.#foot.hidden = !row.top;
    this.#picture.show(row);
  }

  /**
   * Words in place of what is known.
   * @param {string} words
   */
  say(words) {
    this.#foot.hidden = true;
    this.#body.replaceChildren(h("p", { class: "quiet" }, words));
  }

  /**
   * Fetches the photo that is likely to come next.
   * @param {string | null} key
   */
  expect(key) {
    const row = this.#parts.rows.get(key ?? "");
    if (row) this.#picture.expect(row);
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (event.target instanceof Element && event.target.closest("input, select")) return;
    const bare = !event.altKey && !event.ctrlKey && !event.metaKey;
    const name = (bare && { ArrowRight: "next", ArrowLeft: "before" }[event.key]) || command(event);
    if (!name) return;
    if (name === "next" || name === "before") this.#options.step(name === "next" ? 1 : -1);
    else if (name === "undo" && this.#verdicts) this.#options.undo();
    else if (name === "help") this.#parts.help();
    else if (name in GUESSES) this.#guess(GUESSES[name]);
    else if (!this.#verdicts?.obey(name)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  close() {
    this.#parts.rows.removeEventListener("change", this.#changed);
  }

  #changed = (event) => event.detail === this.key && this.draw();

  #guess(index) {
    const guess = this.#parts.rows.get(this.key)?.top?.[index];
    if (guess) this.#take(guess.label);
  }

  #take(label) {
    this.#verdicts?.give("WRONG_BREED", label);
  }
}
