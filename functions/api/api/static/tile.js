/** One photo in the grid. */
import { h, icon } from "./dom.js";
import { standing } from "./rows.js";
import { ago, breedWords, fileName, modelWords, percent, reasonWords, verdictWords } from "./words.js";

export class Tile {
  #api;
  #image = null;
  #version = "";
  #retried = false;
  #frame = h("div", { class: "frame" });
  #name = h("span", { class: "name" });
  #share = h("span", { class: "share" });
  #under = h("p", { class: "under" });
  #badge = h("span", { class: "badge" });
  element;

  /**
   * @param {import("./api.js").Api} api
   * @param {string} key
   */
  constructor(api, key) {
    this.#api = api;
    this.element = h("div", { class: "tile", role: "option", tabindex: "-1", "aria-selected": "false", "data-key": key },
      this.#frame,
      h("span", { class: "tick", "data-tick": true }, icon("check")),
      this.#badge,
      h("p", { class: "caption" }, this.#name, this.#share),
      this.#under);
  }

  /** @param {import("./api.js").Prediction} row */
  draw(row) {
    this.#drawPicture(row);
    const stands = standing(row);
    const name = breedWords(stands.breed ?? stands.kind);
    const share = row.breed && !(stands.person && row.review.verdict !== "RIGHT") ? percent(row.confidence) : "";
    this.#name.textContent = name;
    this.#share.textContent = share;
    this.#under.textContent = underWords(row, stands);
    const right = row.review?.verdict === "RIGHT";
    this.#badge.hidden = !stands.person && stands.kind !== "unknown breed";
    this.#badge.className = `badge ${stands.person ? (right ? "right" : "corrected") : "unknown"}`;
    this.#badge.replaceChildren(stands.person ? (right ? icon("check") : "Reviewed") : "Unknown");
    this.element.classList.toggle("faint", stands.kind === "rejected");
    const said = stands.person ? `reviewed: ${verdictWords(row.review)}` : "not reviewed";
    this.element.setAttribute("aria-label", [name, share && `${share} sure`, row.status === "REJECTED" ? this.#under.textContent : said, fileName(row.key)].filter(Boolean).join(", "));
  }

  /** A signed address changes from answer to answer: the picture is only fetched anew for another version. */
  #drawPicture(row) {
    if (this.#version === `${row.version} ${row.status}`) return;
    this.#version = `${row.version} ${row.status}`;
    this.#retried = false;
    this.#image?.remove();
    this.#frame.classList.toggle("nothing", !row.thumbnail_url);
    if (!row.thumbnail_url) {
      this.#frame.replaceChildren(icon("nothing"));
      return;
    }
    this.#image = h("img", { src: row.thumbnail_url, alt: "", loading: "lazy", decoding: "async", draggable: "false", error: () => this.#renew(row) });
    this.#image.addEventListener("load", () => this.#frame.classList.add("loaded"));
    this.#frame.replaceChildren(this.#image);
  }

  /** The address may have run out while the tile was far below. */
  async #renew(row) {
    if (this.#retried) {
      this.#frame.classList.add("nothing");
      this.#frame.replaceChildren(icon("nothing"));
      return;
    }
    this.#retried = true;
    const url = await this.#api.picture(row.key, "thumbnail").catch(() => null);
    this.#image.src = url ?? "";
  }
}

/** The model's answer where a person said something else, the reason of a rejection, the nearest breed; else when. */
function underWords(row, stands) {
  if (row.status === "REJECTED") return reasonWords(row.reason).what;
  if (stands.person && row.review.verdict !== "RIGHT") return `Model: ${modelWords(row)}`;
  if (stands.kind === "unknown breed") return `Nearest: ${breedWords(row.top[0].label)}`;
  return row.classified_at ? ago(row.classified_at) : "";
}
