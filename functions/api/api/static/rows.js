/** The rows that the page knows, with what was said here laid over them until the server has said yes or no. */

/**
 * @typedef {import("./api.js").Prediction} Prediction
 * @typedef {import("./api.js").Review} Review
 */

// The lists come from indexes, which lag a little behind the table.
const LAG_MS = 5_000;

export class Rows extends EventTarget {
  /** @type {Map<string, Prediction>} */
  #rows = new Map();
  /** @type {Map<string, {version: string, review: Review | undefined}>} */
  #said = new Map();
  /** @type {Map<string, number>} */
  #confirmed = new Map();

  /**
   * @param {string} key
   * @returns {Prediction | undefined}
   */
  get(key) {
    const row = this.#rows.get(key);
    const said = this.#said.get(key);
    return row && said && said.version === row.version ? { ...row, review: said.review } : row;
  }

  /**
   * The row as the server told it.
   * @param {string} key
   * @returns {Prediction | undefined}
   */
  confirmed(key) {
    return this.#rows.get(key);
  }

  /**
   * Takes a row from a list. What the server itself confirmed a moment ago is newer than a list.
   * @param {Prediction} row
   */
  put(row) {
    const known = this.#rows.get(row.key);
    const fresh = (this.#confirmed.get(row.key) ?? 0) > Date.now() - LAG_MS;
    if (known && fresh && known.version >= row.version) return;
    if (known && same(known, row)) return;
    this.#rows.set(row.key, kept(row, known));
    this.#tell(row.key);
  }

  /**
   * Takes the server's own answer about a row.
   * @param {Prediction} row
   */
  confirm(row) {
    this.#said.delete(row.key);
    this.#confirmed.set(row.key, Date.now());
    this.#rows.set(row.key, kept(row, this.#rows.get(row.key)));
    this.#tell(row.key);
  }

  /**
   * Takes the whole of a row, with its history.
   * @param {Prediction} row
   */
  detail(row) {
    const known = this.#rows.get(row.key);
    this.#rows.set(row.key, kept(row, known));
    this.#tell(row.key);
  }

  /**
   * Shows what a person has just said, before the server knows.
   * @param {string} key
   * @param {Review | undefined} review
   */
  say(key, review) {
    const row = this.#rows.get(key);
    if (!row) return;
    this.#said.set(key, { version: row.version, review });
    this.#tell(key);
  }

  /**
   * It was not accepted: the row is again what it was.
   * @param {string} key
   */
  takeBack(key) {
    if (this.#said.delete(key)) this.#tell(key);
  }

  /** @returns {string[]} the versions of the model that are among them */
  modelVersions() {
    const versions = [...this.#rows.values()].map((row) => row.model_version).filter((version) => version !== undefined);
    return [...new Set(versions)].sort().reverse();
  }

  #tell(key) {
    this.dispatchEvent(new CustomEvent("change", { detail: key }));
  }
}

/** Not every answer tells everything: what is known of this version stays. */
function kept(row, known) {
  if (known?.version !== row.version) return row;
  return { ...row, history: row.history ?? known.history, thumbnail_url: row.thumbnail_url ?? known.thumbnail_url };
}

/** A signed address is another one each time, and says nothing new. */
function same(a, b) {
  return (
    a.version === b.version && a.review?.id === b.review?.id && a.classified_at === b.classified_at &&
    a.status === b.status
  );
}

/**
 * What stands for a photo: the last word of a person, or else the model's.
 * @param {Prediction} row
 * @returns {{kind: "breed" | "unknown breed" | "no dog" | "not sure" | "rejected" | "deleted", breed?: string, person: boolean}}
 */
export function standing(row) {
  const { review } = row;
  if (row.status === "REJECTED") return { kind: "rejected", person: false };
  if (row.status === "DELETED") return { kind: "deleted", person: false };
  if (review?.verdict === "NO_DOG") return { kind: "no dog", person: true };
  if (review?.verdict === "UNSURE") return { kind: "not sure", person: true };
  if (review?.breed && review.verdict !== "RIGHT") return { kind: "breed", breed: review.breed, person: true };
  const person = review?.verdict === "RIGHT";
  if (row.breed) return { kind: "breed", breed: row.breed, person };
  return { kind: row.status === "NO_DOG" ? "no dog" : "unknown breed", person };
}

/**
 * Where a row stands in a list, as the API orders it: negative if `a` comes first.
 * @param {Prediction} a
 * @param {Prediction} b
 * @param {import("./address.js").Filters} filters
 */
export function compare(a, b, filters) {
  if (filters.order === "least_sure") {
    const months = text(b.classified_at.slice(0, 7), a.classified_at.slice(0, 7));
    return months || (a.confidence ?? 0) - (b.confidence ?? 0) || text(a.key, b.key);
  }
  const time = (row) => (filters.reviewed === "true" && row.review?.at) || row.classified_at;
  return text(time(b), time(a)) || text(a.key, b.key);
}

const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
