/** The view in the address: which photos, in which order, and which one is open. It can be sent to someone. */

/**
 * @typedef {Partial<Record<"status" | "breed" | "reviewed" | "confidence_from" | "confidence_to" | "day_from" |
 *   "day_to" | "model_version" | "order", string>>} Filters named as the API names them
 * @typedef {{view: "photos" | "queue" | "drift", photo: string | null, filters: Filters}} Place
 */

export const FILTERS = [
  "status", "breed", "reviewed", "confidence_from", "confidence_to", "day_from", "day_to", "model_version", "order",
];

/**
 * @param {string} search
 * @returns {Place}
 */
export function read(search) {
  const query = new URLSearchParams(search);
  const filters = Object.fromEntries(FILTERS.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
  const view = query.get("view");
  return { view: view === "queue" || view === "drift" ? view : "photos", photo: query.get("photo"), filters };
}

/**
 * @param {Place} place
 * @returns {string} the path and the query
 */
export function write({ view, photo, filters }) {
  const query = new URLSearchParams();
  if (view !== "photos") query.set("view", view);
  for (const name of FILTERS) if (filters[name]) query.set(name, filters[name]);
  if (photo) query.set("photo", photo);
  const text = query.toString().replaceAll("%2F", "/");
  return location.pathname + (text ? `?${text}` : "");
}

/** Where one is, and the way to another place. */
export class Where extends EventTarget {
  place = read(location.search);

  constructor() {
    super();
    addEventListener("popstate", () => this.#arrive(read(location.search)));
  }

  /**
   * @param {Partial<Place>} change
   * @param {{replace?: boolean}} [options] replace: back does not lead here
   */
  go(change, { replace = false } = {}) {
    const place = { ...this.place, ...change };
    const address = write(place);
    if (address !== location.pathname + location.search) {
      const state = { inside: true };
      if (replace) history.replaceState(history.state, "", address);
      else history.pushState(state, "", address);
    }
    this.#arrive(place);
  }

  /**
   * Changes the address only: one is there already.
   * @param {Partial<Place>} change
   */
  stay(change) {
    this.place = { ...this.place, ...change };
    history.replaceState(history.state, "", write(this.place));
  }

  /** Closes the open photo: a step back if it was opened here, so that back never opens it again. */
  closePhoto() {
    if (history.state?.inside) history.back();
    else this.go({ photo: null }, { replace: true });
  }

  #arrive(place) {
    const before = this.place;
    this.place = place;
    this.dispatchEvent(new CustomEvent("change", { detail: before }));
  }
}
