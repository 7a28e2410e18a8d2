/** The tiles: one stop for Tab, arrows inside, x and shift to select, Enter to open. */
import { h } from "./dom.js";
import { Tile } from "./tile.js";

/**
 * @typedef {{api: import("./api.js").Api, rows: import("./rows.js").Rows, selection: import("./selection.js").Selection,
 *   open: (key: string) => void}} Options
 */

export class Grid {
  #options;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {string[]} */
  #keys = [];
  #active = "";
  element = h("div", { class: "grid", role: "listbox", "aria-multiselectable": "true", "aria-label": "Photos" });

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.element.addEventListener("keydown", (event) => this.#press(event));
    this.element.addEventListener("click", (event) => this.#click(event));
    this.element.addEventListener("focusin", (event) => this.#activate(event.target.closest(".tile")?.dataset.key));
    options.rows.addEventListener("change", this.#changed);
    options.selection.addEventListener("change", this.#selected);
  }

  /** The photo that keys are about: the one that has, or last had, the focus. */
  get active() {
    return this.#active;
  }

  /**
   * Shows these photos, moving no tile that stays.
   * @param {string[]} keys
   */
  show(keys) {
    const wanted = new Set(keys);
    for (const [key, tile] of this.#tiles) {
      if (!wanted.has(key)) {
        tile.element.remove();
        this.#tiles.delete(key);
      }
    }
    let place = this.element.firstElementChild;
    for (const key of keys) {
      const { element } = this.#tile(key);
      if (element === place) place = place.nextElementSibling;
      else this.element.insertBefore(element, place);
    }
    this.#keys = keys;
    if (!wanted.has(this.#active)) this.#activate(keys[0] ?? "");
  }

  /** @param {string} key */
  focus(key) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    this.#activate(key);
    tile.element.focus({ preventScroll: true });
    tile.element.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} by how many photos further */
  move(by) {
    const at = this.#keys.indexOf(this.#active);
    const inside = this.element.contains(document.activeElement);
    const to = inside ? Math.min(Math.max(at + by, 0), this.#keys.length - 1) : Math.max(at, 0);
    this.focus(this.#keys[to]);
  }

  close() {
    this.#options.rows.removeEventListener("change", this.#changed);
    this.#options.selection.removeEventListener("change", this.#selected);
  }

  #changed = (event) => {
    const row = this.#options.rows.get(event.detail);
    if (row) this.#tiles.get(event.detail)?.draw(row);
  };

  #selected = () => {
    const { keys } = this.#options.selection;
    this.element.classList.toggle("selecting", keys.size > 0);
    for (const [key, { element }] of this.#tiles) element.setAttribute("aria-selected", String(keys.has(key)));
  };

  #tile(key) {
    let tile = this.#tiles.get(key);
    if (!tile) {
      tile = new Tile(this.#options.api, key);
      tile.draw(this.#options.rows.get(key));
      this.#tiles.set(key, tile);
    }
    return tile;
  }

  #activate(key) {
    if (key === undefined || key === this.#active) return;
    this.#tiles.get(this.#active)?.element.setAttribute("tabindex", "-1");
    this.#tiles.get(key)?.element.setAttribute("tabindex", "0");
    this.#active = key;
  }

  #click(event) {
    const key = event.target.closest(".tile")?.dataset.key;
    const { selection } = this.#options;
    if (!key) return;
    this.focus(key);
    if (event.shiftKey) selection.upTo(key, this.#keys);
    else if (event.ctrlKey || event.metaKey || event.target.closest("[data-tick]") || selection.keys.size) selection.toggle(key);
    else this.#options.open(key);
  }

  #press(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.#columns(), ArrowUp: -this.#columns(), Home: -Infinity, End: Infinity };
    const { selection } = this.#options;
    const start = this.#active;
    if (event.key in steps) {
      const to = Math.min(Math.max(this.#keys.indexOf(start) + steps[event.key], 0), this.#keys.length - 1);
      this.focus(this.#keys[to]);
      if (event.shiftKey) selection.upTo(this.#active, this.#keys, start);
    } else if (event.key === "Enter") this.#options.open(start);
    else if (event.key === " ") selection.toggle(start);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) selection.all(this.#keys);
    else return;
    event.preventDefault();
  }

  #columns() {
    const tops = [...this.element.children].map((tile) => tile.offsetTop);
    const second = tops.findIndex((top) => top !== tops[0]);
    return second < 0 ? tops.length : second;
  }
}
