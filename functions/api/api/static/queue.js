/** One photo after the other: those of which the model is least sure, and some picked at random. */
import { Closeup } from "./closeup.js";
import { h, icon } from "./dom.js";
import { accuracyCard } from "./summary.js";
import { failureWords, percent, several } from "./words.js";

const BATCH = 20;
const LOW = 5;

export class QueueView {
  #parts;
  /** @type {string[]} */
  #keys = [];
  #at = 0;
  #reviewed = 0;
  /** @type {"loading" | "ready" | "failed"} */
  #state = "loading";
  #error = null;
  #closeup;
  #why = h("p", { class: "why" });
  #one;
  #none = h("div", { class: "empty" });
  #sitting = h("p", { class: "quiet", role: "status" });
  #card = h("div", {});
  element;

  /** @param {import("./main.js").Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#closeup = new Closeup(parts, {
      step: (by) => this.#step(by),
      said: () => {
        this.#reviewed += 1;
        this.#step(1);
      },
      undo: () => this.#undo(),
      above: this.#why,
    });
    this.#one = h("div", { class: "one", hidden: true }, ...this.#closeup.elements);
    this.element = h("div", { class: "queue" }, this.#one, this.#none, h("div", { class: "beside" }, this.#sitting, this.#card));
    parts.reviews.addEventListener("replaced", this.#replaced);
    parts.totals.addEventListener("change", this.#drawCard);
    this.#drawCard();
    this.#draw();
    this.#fill();
  }

  /** What is uploaded now is not at the head of this view. */
  showsNewest = false;

  update() {}

  async look() {}

  /** @param {KeyboardEvent} event */
  press(event) {
    this.#closeup.press(event);
  }

  close() {
    this.#closeup.close();
    this.#parts.reviews.removeEventListener("replaced", this.#replaced);
    this.#parts.totals.removeEventListener("change", this.#drawCard);
  }

  #step(by) {
    const to = this.#at + by;
    if (to < 0 || to > this.#keys.length) return;
    this.#at = to;
    this.#draw();
    if (this.#keys.length - to <= LOW) this.#fill();
  }

  #undo() {
    const [key] = this.#parts.reviews.undo(this.#keys[this.#at]);
    if (!key) return;
    this.#reviewed = Math.max(0, this.#reviewed - 1);
    this.#comeBackTo(key);
  }

  #replaced = (event) => this.#comeBackTo(event.detail);

  /** What was refused, or taken back, is asked about once more. */
  #comeBackTo(key) {
    const at = this.#keys.indexOf(key);
    if (at >= 0) this.#at = at;
    else this.#keys.splice(this.#at, 0, key);
    this.#draw();
  }

  /** What was just said must have arrived, or the same photos would come once more. */
  async #fill() {
    const first = this.#keys.length === 0;
    const { api, rows, reviews } = this.#parts;
    try {
      await reviews.settled();
      const found = await api.queue(BATCH);
      found.forEach((row) => rows.put(row));
      const known = new Set(this.#keys);
      this.#keys.push(...found.map((row) => row.key).filter((key) => !known.has(key)));
      if (first) await this.#openAsked();
      this.#state = "ready";
    } catch (error) {
      this.#state = "failed";
      this.#error = error;
    }
    if (this.#one.hidden) this.#draw();
    if (first) this.#closeup.resume();
  }

  /** The address names a photo after a sign-in in between: the queue goes on with that one. */
  async #openAsked() {
    const { where, rows, api } = this.#parts;
    const { photo } = where.place;
    if (!photo) return;
    const row = rows.get(photo) ?? (await api.prediction(photo).catch(() => null));
    if (!row || row.review) return;
    rows.put(row);
    this.#keys = [photo, ...this.#keys.filter((key) => key !== photo)];
  }

  #draw() {
    const row = this.#parts.rows.get(this.#keys[this.#at] ?? "");
    const had = this.#one.contains(document.activeElement);
    this.#one.hidden = !row;
    this.#none.hidden = Boolean(row);
    this.#sitting.textContent = this.#reviewed ? `${several(this.#reviewed, "photo")} reviewed in this sitting.` : "";
    if (!row) {
      this.#closeup.key = "";
      this.#none.replaceChildren(...this.#noneWords());
      if (had) this.#none.querySelector("h2")?.focus();
      return;
    }
    this.#why.replaceChildren(...(row.sample
      ? [icon("dice"), "Random sample: these tell how right the model is"]
      : [row.breed || row.status === "NO_DOG" ? `Least sure: ${percent(row.confidence ?? 0)}` : "Unknown breed"]));
    this.#closeup.show(row.key);
    this.#closeup.allow(this.#at > 0, true);
    this.#closeup.expect(this.#keys[this.#at + 1] ?? null);
    this.#parts.where.stay({ photo: row.key });
    if (had && !this.#one.contains(document.activeElement)) this.#closeup.heading.focus({ preventScroll: true });
  }

  #noneWords() {
    const heading = (words) => h("h2", { tabindex: "-1" }, words);
    if (this.#state === "loading") return [h("p", { class: "quiet" }, "Looking for photos to review…")];
    if (this.#state === "failed") {
      return [heading("The queue could not be loaded"), h("p", {}, failureWords(this.#error)),
        h("button", { type: "button", click: () => this.#fill() }, "Try again")];
    }
    return [heading(this.#reviewed ? "All done" : "Nothing waits for a review"),
      h("p", {}, "Photos of which the model is unsure come here, and a few picked at random."),
      h("button", { type: "button", click: () => this.#parts.where.go({ view: "photos", photo: null, filters: {} }) }, "Back to all photos")];
  }

  #drawCard = () => this.#card.replaceChildren(accuracyCard(this.#parts.totals.now));
}
