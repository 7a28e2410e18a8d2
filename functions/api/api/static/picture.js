/** The photo in large: the small picture at once, the original as soon as it is there. */
import { h, icon } from "./dom.js";
import { fileName } from "./words.js";

export class Picture {
  #api;
  #stop = new AbortController();
  #shown = "";
  element = h("figure", { class: "picture" });

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.#api = api;
  }

  /** @param {import("./api.js").Prediction} row */
  async show(row) {
    const which = `${row.key} ${row.version} ${row.status}`;
    if (which === this.#shown) return;
    this.#shown = which;
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const small = row.thumbnail_url ? h("img", { src: row.thumbnail_url, alt: "", class: "small" }) : null;
    const frame = h("div", { class: "frame", "aria-busy": "true" }, small);
    this.element.replaceChildren(frame);
    if (row.status === "DELETED") return this.#without(frame, "This photo was deleted.");
    try {
      const url = await this.#api.picture(row.key, "photo", signal);
      const image = h("img", { alt: `Photo ${fileName(row.key)}`, class: "whole", decoding: "async", src: url });
      await image.decode();
      if (!signal.aborted) frame.replaceChildren(image);
    } catch {
      if (!signal.aborted) await this.#fallBack(frame, small, row, signal);
    } finally {
      frame.removeAttribute("aria-busy");
    }
  }

  /**
   * Fetches a picture that is likely to be asked for next.
   * @param {import("./api.js").Prediction} row
   */
  async expect(row) {
    if (!row.top) return;
    const url = await this.#api.picture(row.key, "photo").catch(() => null);
    if (url) new Image().src = url;
  }

  /** Not every browser shows every kind of picture, HEIC above all. */
  async #fallBack(frame, small, row, signal) {
    if (row.status === "REJECTED") return this.#without(frame, "There is no picture to show.");
    if (!small) return this.#without(frame, "The picture could not be loaded.");
    small.alt = `Photo ${fileName(row.key)}, small`;
    small.classList.add("only");
    const url = await this.#api.picture(row.key, "photo", signal).catch(() => null);
    if (signal.aborted) return;
    this.element.append(h("figcaption", {}, "Your browser cannot show the original, so this is the small picture. ",
      url && h("a", { href: url, download: "" }, "Download the original")));
  }

  #without(frame, words) {
    frame.removeAttribute("aria-busy");
    frame.classList.add("nothing");
    frame.replaceChildren(icon("nothing"), h("p", {}, words));
  }
}
