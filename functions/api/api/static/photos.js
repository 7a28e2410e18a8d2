/** The view of all photos: filters, counts, the grid, what is new, and the loupe over it. */
import { h, icon } from "./dom.js";
import { filterBar } from "./filters.js";
import { Grid } from "./grid.js";
import { command, GUESSES } from "./keys.js";
import { List } from "./list.js";
import { Loupe } from "./loupe.js";
import { Selection } from "./selection.js";
import { countsLine } from "./summary.js";
import { Verdicts } from "./verdicts.js";
import { failureWords, several } from "./words.js";

// Further down than this, rows that come in above would push away what one looks at.
const TOP_PX = 120;

/** @typedef {import("./main.js").Parts} Parts */

export class PhotosView {
  #parts;
  #selection = new Selection();
  #grid;
  /** @type {List} */
  #list;
  #loupe = null;
  #verdicts = null;
  #unfolded = false;
  #announced = 0;
  #filters = h("div", {});
  #counts = h("p", { class: "counts", "aria-live": "off" });
  #fresh = h("button", { type: "button", class: "fresh accent", hidden: true, click: () => this.#showFresh() });
  #under = h("div", { class: "under-grid" });
  #bar = h("section", { class: "selection", "aria-label": "Selected photos", hidden: true });
  #chosen = h("p", { role: "status" });
  #watcher = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#list.loadMore(), { rootMargin: "600px" });
  element;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    const { api, rows, where, session } = parts;
    this.#grid = new Grid({ api, rows, selection: this.#selection, open: (key) => where.go({ photo: key }) });
    if (session.canReview) this.#verdicts = new Verdicts({ ...parts, keys: () => this.#about(), said: () => this.#selection.clear() });
    this.#bar.append(this.#chosen, this.#verdicts?.element ?? "",
      h("button", { type: "button", class: "plain", click: () => this.#selection.clear() }, icon("close"), "Clear"));
    this.element = h("div", { class: "photos" }, h("h2", { class: "unseen" }, "Photos"),
      this.#filters, this.#fresh, this.#grid.element, this.#under, this.#bar);
    this.#selection.addEventListener("change", () => this.#drawBar());
    parts.totals.addEventListener("change", this.#drawCounts);
    addEventListener("scroll", this.#scrolled, { passive: true });
    this.#drawCounts();
    this.#load();
    this.#openLoupe();
  }

  /** @param {import("./address.js").Place} before */
  update(before) {
    const { place } = this.#parts.where;
    if (JSON.stringify(before.filters) !== JSON.stringify(place.filters)) this.#load();
    if (before.photo !== place.photo) this.#openLoupe();
  }

  /** Asks for what is new. */
  look() {
    return this.#list.look();
  }

  /** Without filters, what is uploaded now is at the head of this list. */
  get showsNewest() {
    return Object.keys(this.#list.filters).length === 0;
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const name = command(event);
    if (event.key === "Escape" && this.#selection.keys.size) this.#selection.clear();
    else if (name === "next" || name === "before") this.#grid.move(name === "next" ? 1 : -1);
    else if (name === "select" && this.#grid.active) this.#selection.toggle(this.#grid.active);
    else if (name === "type" && this.#verdicts) this.#type();
    else if (name === "undo" && this.#verdicts) this.#parts.reviews.undo(this.#grid.active);
    else if (name !== null && name in GUESSES && this.#verdicts) this.#guess(GUESSES[name]);
    else if (name === null || !this.#verdicts?.obey(name)) return;
    event.preventDefault();
  }

  close() {
    this.#list.close();
    this.#grid.close();
    this.#watcher.disconnect();
    this.#loupe?.close();
    this.#parts.totals.removeEventListener("change", this.#drawCounts);
    removeEventListener("scroll", this.#scrolled);
  }

  /** Those that are selected, or else the one under the hand. */
  #about() {
    const { keys } = this.#selection;
    if (keys.size) return [...keys];
    return this.#grid.active ? [this.#grid.active] : [];
  }

  /** The field for a breed stands in the bar of what is selected. */
  #type() {
    const { keys } = this.#selection;
    if (keys.size === 0 && this.#grid.active) this.#selection.toggle(this.#grid.active);
    this.#verdicts.type();
  }

  #guess(index) {
    const about = this.#about();
    if (about.length > 1) {
      this.#parts.news.say("The keys 1 to 5 are about one photo. For several, press t and type the breed.");
      return;
    }
    const label = this.#parts.rows.get(about[0])?.top?.[index]?.label;
    if (label) this.#verdicts.give("WRONG_BREED", label);
  }

  #load() {
    const { api, rows, where, uploads } = this.#parts;
    this.#list?.close();
    this.#selection.clear();
    this.#list = new List(api, rows, where.place.filters);
    const list = this.#list;
    list.addEventListener("change", () => list === this.#list && this.#draw());
    list.addEventListener("head", (event) => uploads.answered(event.detail));
    this.#drawFilters(this.#parts);
    list.open();
  }

  #drawFilters({ where, rows, breeds }) {
    const inside = this.#filters.contains(document.activeElement) ? labelOf(document.activeElement) : null;
    this.#filters.replaceChildren(filterBar({
      breeds, filters: where.place.filters,
      change: (changes) => where.go({ filters: clean({ ...where.place.filters, ...changes }) }),
      versions: () => rows.modelVersions(),
      beside: this.#counts,
      shown: this.#unfolded,
      toggled: (shown) => {
        this.#unfolded = shown;
      },
    }));
    if (inside) [...this.#filters.querySelectorAll("input, select, button")].find((each) => labelOf(each) === inside)?.focus();
  }

  #draw() {
    const list = this.#list;
    if (list.state !== "failed" && list.changed && this.#mayShow()) {
      list.show();
      return;
    }
    const waiting = list.state === "loading" && list.keys.length === 0;
    this.element.classList.toggle("bare", list.state === "ready" && list.keys.length === 0 && !list.more && this.showsNewest);
    this.#grid.show(list.keys);
    this.#grid.element.hidden = list.keys.length === 0;
    this.#grid.element.setAttribute("aria-busy", String(list.state === "loading"));
    this.#drawFresh();
    this.#drawUnder(list, waiting);
    this.#loupe?.refresh();
  }

  /** New rows come in by themselves where they push nothing away. */
  #mayShow() {
    return scrollY < TOP_PX && this.#selection.keys.size === 0 && !this.#grid.element.contains(document.activeElement);
  }

  #drawFresh() {
    const { fresh } = this.#list;
    const words = several(fresh, "new photo");
    this.#fresh.hidden = fresh === 0;
    if (this.#fresh.textContent !== words) this.#fresh.textContent = words;
    if (fresh > this.#announced) this.#parts.news.hear(`${words}. A button above the photos shows them.`);
    this.#announced = fresh;
  }

  #showFresh() {
    scrollTo({ top: 0, behavior: "instant" });
    this.#list.show();
    this.#draw();
    this.#grid.focus(this.#list.keys[0]);
  }

  #scrolled = () => {
    if (this.#list?.changed && this.#mayShow()) this.#list.show();
  };

  #drawUnder(list, waiting) {
    const again = (words, run) => h("button", { type: "button", click: run }, words);
    this.#watcher.disconnect();
    if (waiting) this.#under.replaceChildren(h("p", { class: "unseen" }, "Loading photos…"), h("div", { class: "grid", "aria-hidden": "true" },
      ...Array.from({ length: 12 }, () => h("div", { class: "tile skeleton" }, h("div", { class: "frame" }), h("p", { class: "caption" }, "\u00a0"), h("p", { class: "under" }, "\u00a0")))));
    else if (list.state === "failed") {
      this.#under.replaceChildren(h("div", { class: "empty" }, h("h3", {}, "The photos could not be loaded"),
        h("p", {}, failureWords(list.error)), again("Try again", () => (list.keys.length ? list.loadMore() : list.open()))));
    } else if (list.keys.length === 0 && !list.paused) this.#under.replaceChildren(this.#empty());
    else if (list.state === "loading") this.#under.replaceChildren(h("p", { class: "quiet" }, "Loading more…"));
    else if (list.more) {
      const words = list.paused ? "Nothing that fits was found so far. There are more photos." : "";
      this.#under.replaceChildren(h("p", { class: "quiet" }, words), again(list.paused ? "Keep looking" : "Load more", () => list.loadMore()));
      if (!list.paused) this.#watcher.observe(this.#under);
    } else this.#under.replaceChildren(h("p", { class: "quiet" }, `That is all: ${several(list.keys.length, "photo")}.`));
  }

  #empty() {
    const { where, door, session } = this.#parts;
    const filtered = Object.keys(this.#list.filters).some((name) => name !== "order");
    if (filtered) {
      return h("div", { class: "empty" }, h("h3", {}, "No photo fits these filters"),
        h("p", {}, "Take one away, or look at all photos."),
        h("button", { type: "button", click: () => where.go({ filters: {} }) }, "Show all photos"));
    }
    if (!session.canReview) {
      return h("div", { class: "empty" }, h("h3", {}, "No photos yet"), h("p", {}, "They appear here by themselves as soon as somebody adds some."));
    }
    return h("div", { class: "empty inviting" }, h("h3", {}, "Drop photos of dogs here"),
      h("p", {}, "Each one is answered within seconds. JPEG, PNG, WebP, HEIC and others, up to 25 MB."),
      h("div", { class: "row" }, ...door.buttons()));
  }

  #drawCounts = () => {
    this.#counts.replaceChildren(...countsLine(this.#parts.totals.now));
  };

  #drawBar() {
    const { size } = this.#selection.keys;
    const inside = this.#bar.contains(document.activeElement);
    this.#bar.hidden = size === 0;
    this.#chosen.textContent = size ? `${several(size, "photo")} selected` : "";
    document.body.classList.toggle("with-selection", size > 0);
    if (size > 0) return;
    this.#verdicts?.stopTyping();
    if (inside) this.#grid.focus(this.#grid.active);
  }

  #openLoupe() {
    const { where } = this.#parts;
    const { photo } = where.place;
    if (!photo) {
      this.#loupe?.close();
      return;
    }
    if (this.#loupe) {
      this.#loupe.show(photo);
      return;
    }
    this.#loupe = new Loupe(this.#parts, {
      key: photo,
      neighbour: (key, step) => this.#neighbour(key, step),
      move: (key) => where.go({ photo: key }, { replace: true }),
      closed: (key) => {
        this.#loupe = null;
        if (where.place.photo) where.closePhoto();
        this.#grid.focus(key);
      },
    });
  }

  #neighbour(key, step) {
    const { keys } = this.#list;
    const at = keys.indexOf(key);
    const { state, paused } = this.#list;
    if (step > 0 && at + step >= keys.length - 3 && state === "ready" && !paused) this.#list.loadMore();
    return keys[at + step] ?? null;
  }
}

const labelOf = (element) => element?.getAttribute("aria-label") ?? element?.value ?? element?.labels?.[0]?.textContent;
const clean = (filters) => Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
