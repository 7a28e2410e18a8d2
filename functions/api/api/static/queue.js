/** One photo after the other: those of which the model is least sure, and some picked at random. */
import { details, title } from "./details.js";
import { h, icon } from "./dom.js";
import { command, GUESSES } from "./keys.js";
import { Picture } from "./picture.js";
import { accuracyCard } from "./summary.js";
import { Verdicts } from "./verdicts.js";
import { failureWords, percent, several } from "./words.js";

const BATCH = 20;
const LOW = 5;

export class QueueView {
  #parts;
  #keys = [];
  #at = 0;
  #reviewed = 0;
  #state = "loading";
  #error = null;
  #picture;
  #verdicts = null;
  #heading = h("h2", { tabindex: "-1" });
  #why = h("p", { class: "why" });
  #place = h("p", { class: "quiet", role: "status" });
  #body = h("div", { class: "details" });
  #card = h("div", {});
  #one;
  #none = h("div", { class: "empty" });
  element;

  /** @param {import("./main.js").Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#picture = new Picture(parts.api);
    if (parts.session.canReview) {
      this.#verdicts = new Verdicts({ ...parts, keys: () => this.#current(), said: () => this.#said() });
    }
    const move = (label, name, step) => h("button", { type: "button", class: `round ${name}`, "aria-label": label, click: () => this.#step(step) }, icon(step < 0 ? "left" : "right"));
    const words = "You may look, not review. Ask for the group reviewers to put answers right.";
    this.#one = h("div", { class: "one", hidden: true },
      h("div", { class: "stage" }, this.#picture.element, move("Photo before", "before", -1), move("Skip to the next photo", "after", 1)),
      h("div", { class: "panel" }, h("header", {}, this.#why, this.#heading), this.#body,
        h("footer", {}, this.#verdicts?.element ?? h("p", { class: "quiet" }, words))));
    this.element = h("div", { class: "queue" }, this.#one, this.#none, h("div", { class: "beside" }, this.#place, this.#card));
    parts.rows.addEventListener("change", this.#changed);
    parts.reviews.addEventListener("replaced", this.#replaced);
    parts.totals.addEventListener("change", this.#drawCard);
    this.#drawCard();
    this.#fill();
  }

  update() {}

  async look() {}

  get showsNewest() {
    return false;
  }

  close() {
    this.#parts.rows.removeEventListener("change", this.#changed);
    this.#parts.reviews.removeEventListener("replaced", this.#replaced);
    this.#parts.totals.removeEventListener("change", this.#drawCard);
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const field = event.target instanceof Element && event.target.closest("input, select");
    const name = (field ? null : { ArrowRight: "next", ArrowLeft: "before" }[event.key]) ?? command(event);
    if (name === null) return;
    if (name === "next" || name === "before") this.#step(name === "next" ? 1 : -1);
    else if (name === "undo" && this.#verdicts) this.#undo();
    else if (name in GUESSES) this.#guess(GUESSES[name]);
    else if (!this.#verdicts?.obey(name)) return;
    event.preventDefault();
  }

  #current() {
    const key = this.#keys[this.#at];
    return key ? [key] : [];
  }

  #guess(index) {
    const guess = this.#parts.rows.get(this.#keys[this.#at])?.top?.[index];
    if (guess) this.#verdicts?.give("WRONG_BREED", guess.label);
  }

  #said() {
    this.#reviewed += 1;
    this.#step(1);
  }

  #undo() {
    const [key] = this.#parts.reviews.undo(this.#keys[this.#at]);
    if (!key) return;
    this.#reviewed = Math.max(0, this.#reviewed - 1);
    this.#comeBackTo(key);
  }

  /** What was refused, or taken back, is asked about once more. */
  #comeBackTo(key) {
    const at = this.#keys.indexOf(key);
    if (at >= 0) this.#at = at;
    else this.#keys.splice(this.#at, 0, key);
    this.#draw();
  }

  #replaced = (event) => this.#comeBackTo(event.detail);

  #step(by) {
    const to = this.#at + by;
    if (to < 0 || to > this.#keys.length) return;
    this.#verdicts?.stopTyping();
    this.#at = to;
    this.#draw();
    if (this.#keys.length - this.#at <= LOW) this.#fill();
  }

  async #fill() {
    const first = this.#keys.length === 0;
    try {
      await this.#parts.reviews.settled();
      const rows = await this.#parts.api.queue(BATCH);
      rows.forEach((row) => this.#parts.rows.put(row));
      const known = new Set(this.#keys);
      this.#keys.push(...rows.map((row) => row.key).filter((key) => !known.has(key)));
      this.#state = "ready";
      if (first) await this.#openAsked();
    } catch (error) {
      this.#state = "failed";
      this.#error = error;
    }
    this.#draw();
    if (first) this.#verdicts?.resume();
  }

  /** The address names a photo after a sign-in in between: the queue goes on with that one. */
  async #openAsked() {
    const { photo } = this.#parts.where.place;
    if (!photo) return;
    if (!this.#parts.rows.get(photo)) {
      const row = await this.#parts.api.prediction(photo).catch(() => null);
      if (!row) return;
      this.#parts.rows.put(row);
    }
    if (!this.#parts.rows.get(photo).review) this.#keys = [photo, ...this.#keys.filter((key) => key !== photo)];
  }

  #changed = (event) => event.detail === this.#keys[this.#at] && this.#draw();

  #draw() {
    const row = this.#parts.rows.get(this.#keys[this.#at] ?? "");
    const had = this.#one.contains(document.activeElement) && document.activeElement.isConnected;
    this.#one.hidden = !row;
    this.#none.hidden = Boolean(row);
    this.#place.textContent = this.#reviewed ? `${several(this.#reviewed, "photo")} reviewed in this sitting.` : "";
    if (!row) {
      this.#drawNone();
      if (had) this.#none.querySelector("h2, button")?.focus();
      return;
    }
    const { where } = this.#parts;
    if (where.place.view === "queue" && where.place.photo !== row.key) where.stay({ photo: row.key });
    this.#heading.textContent = title(row);
    this.#why.replaceChildren(...(row.sample
      ? [icon("dice"), "Random sample: these tell how right the model is"]
      : [`Least sure first: ${percent(row.confidence)}`]));
    const take = this.#verdicts ? { take: (label) => this.#verdicts.give("WRONG_BREED", label) } : {};
    this.#body.replaceChildren(...details(row, take));
    if (had && document.activeElement === document.body) this.#heading.focus({ preventScroll: true });
    this.#picture.show(row);
    const next = this.#parts.rows.get(this.#keys[this.#at + 1] ?? "");
    if (next) this.#picture.expect(next);
  }

  #drawNone() {
    if (this.#state === "loading") this.#none.replaceChildren(h("p", { class: "quiet" }, "Looking for photos to review…"));
    else if (this.#state === "failed") {
      this.#none.replaceChildren(h("h2", {}, "The queue could not be loaded"), h("p", {}, failureWords(this.#error)),
        h("button", { type: "button", click: () => this.#fill() }, "Try again"));
    } else {
      this.#none.replaceChildren(h("h2", { tabindex: "-1" }, this.#reviewed ? "All done" : "Nothing waits for a review"),
        h("p", {}, "Photos of which the model is unsure come here, and a few picked at random."),
        h("button", { type: "button", click: () => this.#parts.where.go({ view: "photos", photo: null, filters: {} }) }, "Back to all photos"));
    }
  }

  #drawCard = () => this.#card.replaceChildren(accuracyCard(this.#parts.totals.now));
}
