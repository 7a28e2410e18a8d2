/** Talks to the API: tokens on requests, one more try after a renewed sign-in, problems as errors. */

/**
 * What the API says and takes; openapi.yaml has the words.
 * @typedef {{id: string, verdict: string, breed?: string, by: string, at: string, version: string}} Review
 * @typedef {{label: string, probability: number}} Guess
 * @typedef {{
 *   key: string, version: string, status: "CLASSIFIED" | "UNKNOWN_BREED" | "NO_DOG" | "REJECTED" | "DELETED", classified_at: string,
 *   breed?: string, confidence?: number, top?: Guess[], dog_probability?: number, novelty?: number, model_version?: string,
 *   width?: number, height?: number, size_bytes?: number, latency_ms?: number,
 *   reason?: {code: string, message: string}, sample?: boolean, review?: Review, history?: Review[],
 *   thumbnail_url?: string,
 * }} Prediction
 * @typedef {{key: string, version: string, verdict: string, breed?: string, undoes?: string}} Said
 * @typedef {{name: string, size: number, content_type: string}} FileToSend
 * @typedef {{key: string, url: string, fields: Record<string, string>}} Form
 * @typedef {{name: string, count: number, known: boolean}} Breed
 * @typedef {{sample: number, right: number, share: number, from: number, to: number}} Accuracy
 * @typedef {{
 *   day: string, state: string, photos: number, expected: number | null, audited: Accuracy | null,
 *   psi: Record<string, number>, findings: {figure: string, words: string, examples: string[]}[],
 * }} DriftDay
 * @typedef {{counts: Record<string, number>, reviewed: number, accuracy: Accuracy | null, as_of: string}} Summary
 */

/** The server answered, and the answer is no (RFC 9457). */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {any} body
   */
  constructor(status, body) {
    super(body?.detail || body?.title || `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.title = body?.title;
    this.detail = body?.detail;
    this.errors = body?.errors;
    /** @type {Prediction | undefined} the photo as it is now, with a 412 */
    this.current = body?.current;
  }
}

/** No answer came. */
export class Unreachable extends Error {
  name = "Unreachable";
}

const PATIENCE_MS = 30_000;

/**
 * @param {string | URL} url
 * @param {RequestInit} options
 * @returns {Promise<Response>}
 */
export async function request(url, options = {}) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await fetch(url, { ...options, signal: options.signal ? AbortSignal.any([options.signal, patience]) : patience });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable(String(error));
  }
}

/**
 * The body of an answer, or the problem that it tells of.
 * @param {Response} response
 */
export async function answerOf(response) {
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, body);
  return body;
}

export class Api {
  #base;
  #session;

  /**
   * @param {URL} base where the page lives
   * @param {{token: () => Promise<string>, renew: () => Promise<string>}} session
   */
  constructor(base, session) {
    this.#base = base;
    this.#session = session;
  }

  /**
   * @param {Record<string, string | number>} filters
   * @param {{etag?: string | null, signal?: AbortSignal}} [options]
   * @returns {Promise<{items: Prediction[], next: string | null, etag: string | null} | null>} null: unchanged
   */
  async predictions(filters, { etag = null, signal } = {}) {
    const query = new URLSearchParams(Object.entries(filters).map(([key, value]) => [key, String(value)]));
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await this.#send("GET", `predictions?${query}`, { headers, signal });
    if (response.status === 304) return null;
    return { ...(await answerOf(response)), etag: response.headers.get("ETag") };
  }

  /**
   * @param {string} key
   * @param {AbortSignal} [signal]
   * @returns {Promise<Prediction>}
   */
  prediction(key, signal) {
    return this.#ask("GET", of(key), { signal });
  }

  /**
   * An address of the original or of the small picture that needs no token for some minutes.
   * @param {string} key
   * @param {"photo" | "thumbnail"} which
   * @param {AbortSignal} [signal]
   * @returns {Promise<string>}
   */
  async picture(key, which, signal) {
    return (await this.#ask("GET", `${of(key)}/${which}`, { signal })).url;
  }

  /**
   * @param {Said} said
   * @returns {Promise<Prediction>}
   */
  review({ key, ...body }) {
    return this.#ask("PUT", `${of(key)}/review`, { body });
  }

  /**
   * @param {Said[]} reviews at most 100
   * @returns {Promise<{key: string, status: number, prediction?: Prediction, problem?: any}[]>}
   */
  async reviews(reviews) {
    return (await this.#ask("POST", "reviews", { body: { reviews } })).results;
  }

  /**
   * @param {FileToSend[]} files at most 100
   * @returns {Promise<Form[]>}
   */
  async uploads(files) {
    return (await this.#ask("POST", "uploads", { body: { files } })).uploads;
  }

  /**
   * @param {number} limit
   * @returns {Promise<Prediction[]>}
   */
  async queue(limit) {
    return (await this.#ask("GET", `queue?limit=${limit}`)).items;
  }

  /** @returns {Promise<Breed[]>} */
  async breeds() {
    return (await this.#ask("GET", "breeds")).breeds;
  }

  /** @returns {Promise<Summary>} */
  summary() {
    return this.#ask("GET", "summary");
  }

  /** @returns {Promise<{watched: boolean, items: DriftDay[]}>} */
  drift() {
    return this.#ask("GET", "drift");
  }

  async #ask(method, path, options = {}) {
    return answerOf(await this.#send(method, path, options));
  }

  /** A token may end early, or the clock be wrong: after a 401 it is renewed and the request sent once more. */
  async #send(method, path, { body, headers = {}, signal } = {}) {
    const url = new URL(path, this.#base);
    const send = (token) =>
      request(url, {
        method,
        signal,
        headers: {
          Accept: "application/json",
          Authorization: `Bearer ${token}`,
          ...(body ? { "Content-Type": "application/json" } : {}),
          ...headers,
        },
        body: body && JSON.stringify(body),
      });
    const response = await send(await this.#session.token());
    return response.status === 401 ? send(await this.#session.renew()) : response;
  }
}

/**
 * A key has slashes, so paths name it by the base64url of its UTF-8.
 * @param {string} key
 */
const of = (key) => `predictions/${base64url(new TextEncoder().encode(key))}`;

/**
 * RFC 4648, section 5, without padding.
 * @param {Uint8Array} bytes
 */
export const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
