/**
 * The list under one set of filters: what is shown, what waits to be shown, and what comes after it.
 * The head of the list is asked for again and again; the rest stays as it was loaded.
 */
import { compare } from "./rows.js";

const PAGE = 50;
// A page of the API may be empty and still have a next one. After so many the person decides.
const EMPTY_PAGES = 5;

export class List extends EventTarget {
  #api;
  #rows;
  #stop = new AbortController();
  #etag = null;
  #next = null;
  /** @type {string[]} */
  keys = [];
  /** @type {string[]} the head as the server has it now, while it is not shown yet */
  #head = [];
  #gone = new Set();
  /** New rows that are not shown yet. */
  fresh = 0;
  /** @type {"loading" | "ready" | "failed"} */
  state = "loading";
  /** @type {any} */
  error = null;
  /** Empty pages in a row were read, and there are more. */
  paused = false;

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./rows.js").Rows} rows
   * @param {import("./address.js").Filters} filters
   */
  constructor(api, rows, filters) {
    super();
    this.#api = api;
    this.#rows = rows;
    this.filters = filters;
  }

  get more() {
    return this.#next !== null;
  }

  /** Loads the first rows, anew if they are there. */
  async open() {
    await this.#loading(async () => {
      const page = await this.#page();
      this.#etag = page.etag;
      this.#take(page);
      this.#tellHead(page);
      this.keys = page.items.map((row) => row.key);
      this.#settle();
      await this.#untilRows(page.items.length);
    });
  }

  /** Loads the rows that follow. */
  async loadMore() {
    if (this.state === "loading" || !this.more) return;
    await this.#loading(() => this.#untilRows(0));
  }

  /**
   * Asks whether the head has changed. What is new waits for `show`.
   * @returns {Promise<void>}
   */
  async look() {
    if (this.state !== "ready") return;
    const page = await this.#api.predictions(this.#query(), { etag: this.#etag, signal: this.#stop.signal });
    if (!page || this.state !== "ready") return;
    this.#etag = page.etag;
    page.items.forEach((row) => this.#rows.put(row));
    this.#tellHead(page);
    this.#compareHead(page);
    this.#tell();
  }

  /** Shows what is new and takes away what is gone. */
  show() {
    if (!this.changed) return;
    const head = new Set(this.#head);
    const missed = this.keys.length > 0 && !this.#head.some((key) => this.keys.includes(key)) && this.#headNext;
    if (missed) this.#next = this.#headNext;
    const rest = missed ? [] : this.keys.filter((key) => !head.has(key) && !this.#gone.has(key));
    this.keys = this.#sorted([...this.#head, ...rest]);
    this.#settle();
    this.#tell();
  }

  get changed() {
    return this.fresh > 0 || this.#gone.size > 0;
  }

  /** Nobody looks at this list any more. */
  close() {
    this.#stop.abort();
  }

  /** @type {string | null} */
  #headNext = null;

  #compareHead({ items, next }) {
    const known = new Set(this.keys);
    const head = new Set(items.map((row) => row.key));
    const last = items.at(-1);
    const within = (key) => {
      const row = this.#rows.get(key);
      return !next || (row && last && compare(row, last, this.filters) < 0);
    };
    this.#head = [...head];
    this.#headNext = next;
    this.fresh = items.filter((row) => !known.has(row.key)).length;
    // Where the list is of what is reviewed or not, a review must not pull the photo away from under the hand.
    this.#gone = new Set(this.filters.reviewed ? [] : this.keys.filter((key) => !head.has(key) && within(key)));
  }

  /** The order of the API, where the rows are known; an order of equals stays. */
  #sorted(keys) {
    const rows = keys.map((key) => this.#rows.get(key)).filter((row) => row !== undefined);
    return rows.sort((a, b) => compare(a, b, this.filters)).map((row) => row.key);
  }

  #settle() {
    this.#head = [];
    this.#gone = new Set();
    this.fresh = 0;
  }

  #query(cursor = null) {
    return { ...this.filters, limit: PAGE, ...(cursor ? { cursor } : {}) };
  }

  #page(cursor = null) {
    return this.#api.predictions(this.#query(cursor), { signal: this.#stop.signal });
  }

  #take(page) {
    page.items.forEach((row) => this.#rows.put(row));
    this.#next = page.next ?? null;
  }

  async #untilRows(found) {
    let pages = 0;
    while (found === 0 && this.more && pages < EMPTY_PAGES) {
      const page = await this.#page(this.#next);
      const known = new Set(this.keys);
      this.#take(page);
      const keys = page.items.map((row) => row.key).filter((key) => !known.has(key));
      this.keys = [...this.keys, ...keys];
      found += keys.length;
      pages += 1;
    }
    this.paused = found === 0 && this.more;
  }

  async #loading(work) {
    this.state = "loading";
    this.error = null;
    this.#tell();
    try {
      await work();
      this.state = "ready";
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.state = "failed";
      this.error = error;
    }
    this.#tell();
  }

  #tellHead({ items }) {
    this.dispatchEvent(new CustomEvent("head", { detail: items }));
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
