/** Whether photos and answers are what they were: a curve of each figure, and what was found, in words. */
import { drawing, h } from "./dom.js";
import { breedWords, count, failureWords, fileName, percent, several } from "./words.js";

/** LEAST_PSI of functions/drift; of the other figures 0.1. */
const MATTERS = { status: 0.05 };
const STATES = {
  "no photos": "No photos came.",
  learning: "Still learning what is usual here.",
  "too few": "Too few photos to compare.",
  quiet: "As usual.",
};

export class DriftView {
  #parts;
  element = h("div", { class: "drift" }, "Loading…");
  showsNewest = false;

  /** @param {import("./main.js").Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#fill();
  }

  update() {}

  async look() {}

  press() {}

  close() {}

  async #fill() {
    try {
      this.element.replaceChildren(...this.#drawn(await this.#parts.api.drift()));
    } catch (error) {
      this.element.replaceChildren(h("h2", {}, "The days could not be loaded"), h("p", {}, failureWords(error)),
        h("button", { type: "button", click: () => this.#fill() }, "Try again"));
    }
  }

  /** @param {{watched: boolean, items: import("./api.js").DriftDay[]}} answer days, the newest first */
  #drawn({ watched, items }) {
    if (!items.length) {
      return [h("h2", {}, "No day was compared yet"), h("p", {}, watched
        ? "The first comes tonight."
        : "Whoever runs this system can have every day compared: make drift-watch, then make page.")];
    }
    const days = [...items].reverse();
    const names = [...new Set(items.flatMap((day) => Object.keys(day.psi)))];
    return [h("h2", {}, "Are photos what they were?"),
      h("div", { class: "curves" },
        curve("Photos", days.map((day) => day.photos), count),
        curve("How sure", days.map((day) => day.expected), percent, 1),
        ...names.map((name) => curve(breedWords(name), days.map((day) => day.psi[name]), index, MATTERS[name] ?? 0.1))),
      h("p", { class: "quiet" }, `${several(days.length, "day")}. All but the first two are stability indexes: 0 is no change, dashed is what matters.`),
      h("ol", {}, ...items.map((day) => this.#day(day)))];
  }

  /** @param {import("./api.js").DriftDay} day */
  #day({ day, state, photos, audited, findings }) {
    const right = audited && ` People called ${count(audited.right)} of ${several(audited.sample, "random photo")} right.`;
    return h("li", {}, h("h3", {}, day, " ", h("span", { class: "quiet" }, several(photos, "photo"))),
      h("p", {}, STATES[state], right),
      ...findings.map(({ words, examples }) => h("details", { toggle: (event) => this.#show(event.target, examples) },
        h("summary", {}, words), h("ul", { class: "examples" }))));
  }

  /** Pictures are asked for when somebody wants them. */
  #show(details, examples) {
    const list = details.querySelector("ul");
    if (list.childElementCount) return;
    list.append(...examples.map((key) => {
      const picture = h("img", { alt: "", width: 96, height: 96 });
      const go = (event) => {
        event.preventDefault();
        this.#parts.where.go({ view: "photos", photo: key, filters: {} });
      };
      // One that is deleted since has none.
      this.#parts.api.picture(key, "thumbnail").then((url) => (picture.src = url)).catch(() => picture.remove());
      return h("li", {}, h("a", { href: `?photo=${encodeURIComponent(key)}`, click: go }, picture, fileName(key)));
    }));
  }
}

const index = (value) => value.toFixed(2);

/**
 * One value a day, a gap where there is none, and the newest in words.
 * @param {string} name
 * @param {(number | null | undefined)[]} values
 * @param {(value: number) => string} words
 * @param {number} [level] drawn dashed
 */
function curve(name, values, words, level) {
  const known = values.filter((value) => value != null);
  const most = Math.max(level ?? 0, ...known) || 1;
  const y = (value) => (24 - (22 * value) / most).toFixed(1);
  const line = values.map((value, at) => (value == null ? "" : `${values[at - 1] == null ? "M" : "L"}${at + 0.5} ${y(value)}h.01`)).join("");
  return h("figure", {}, h("figcaption", {}, name, " ", h("strong", {}, known.length ? words(known.at(-1)) : "–")),
    drawing(`0 0 ${values.length} 26`, "curve", line, level ? `M0 ${y(level)}H${values.length}` : ""));
}
