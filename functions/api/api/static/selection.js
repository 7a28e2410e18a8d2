/** Which photos are selected, by single presses and by ranges. */

export class Selection extends EventTarget {
  /** @type {Set<string>} */
  keys = new Set();
  #anchor = "";

  /** @param {string} key */
  toggle(key) {
    if (!this.keys.delete(key)) this.keys.add(key);
    this.#anchor = key;
    this.#tell();
  }

  /**
   * Selects everything from the photo that was selected last.
   * @param {string} key
   * @param {string[]} order of the list
   * @param {string} [start] where there is no last one
   */
  upTo(key, order, start = key) {
    const from = order.indexOf(order.includes(this.#anchor) ? this.#anchor : start);
    const to = order.indexOf(key);
    order.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((each) => this.keys.add(each));
    if (!order.includes(this.#anchor)) this.#anchor = start;
    this.#tell();
  }

  /** @param {string[]} keys */
  all(keys) {
    keys.forEach((key) => this.keys.add(key));
    this.#tell();
  }

  clear() {
    if (this.keys.size === 0) return;
    this.keys.clear();
    this.#anchor = "";
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
