/** Counts, and the accuracy that reviews show. They come when they come; no list waits for them. */
import { h } from "./dom.js";
import { count, percent, several } from "./words.js";

export class Totals extends EventTarget {
  #api;
  #timer = 0;
  /** @type {import("./api.js").Summary | null} */
  now = null;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    this.#api = api;
  }

  /** @param {number} [wait] several changes in a row are asked about once */
  renew(wait = 0) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      try {
        this.now = await this.#api.summary();
        this.dispatchEvent(new Event("change"));
      } catch {
        // The next change asks again; until then the numbers are those from before.
      }
    }, wait);
  }
}

/** @param {import("./api.js").Summary | null} summary */
export function countsLine(summary) {
  if (!summary) return [h("span", { class: "skeleton words" }, "\u00a0")];
  const { CLASSIFIED, UNKNOWN_BREED, NO_DOG, REJECTED } = summary.counts;
  const unknown = UNKNOWN_BREED ? [[UNKNOWN_BREED, "of an unknown breed", "of an unknown breed"]] : [];
  return [[CLASSIFIED + UNKNOWN_BREED, "dog", "dogs"], ...unknown, [NO_DOG, "without a dog", "without a dog"], [REJECTED, "rejected", "rejected"], [summary.reviewed, "reviewed", "reviewed"]]
    .map(([value, one, many]) => h("span", {}, h("strong", {}, count(value)), ` ${value === 1 ? one : many}`));
}

/** @param {import("./api.js").Summary | null} summary */
export function accuracyCard(summary) {
  const accuracy = summary?.accuracy;
  const heading = h("h3", {}, "How right is the model?");
  if (!accuracy) {
    const words = summary ? "Nobody knows yet. Photos marked “random sample” tell it: review some of them." : "Loading…";
    return h("section", { class: "accuracy" }, heading, h("p", { class: "quiet" }, words));
  }
  const scale = h("div", { class: "interval", "aria-hidden": "true" }, h("span", { class: "span" }), h("span", { class: "point" }));
  for (const name of ["from", "to", "share"]) scale.style.setProperty(`--${name}`, String(accuracy[name]));
  return h("section", { class: "accuracy" }, heading,
    h("p", { class: "figure" }, percent(accuracy.share)), scale,
    h("p", { class: "quiet" }, `${count(accuracy.right)} of ${several(accuracy.sample, "random photo")} ${accuracy.right === 1 ? "was" : "were"} right. ` +
      `The true share is between ${percent(accuracy.from)} and ${percent(accuracy.to)}, 19 times in 20.`));
}
