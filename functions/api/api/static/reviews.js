/**
 * What a person says about photos: shown at once, sent in order, taken back where the server refuses.
 * Each review is about one version of one photo.
 */
import { breedWords, failureWords, fileName, several, verdictWords } from "./words.js";

/**
 * @typedef {import("./api.js").Said} Said
 * @typedef {import("./api.js").Prediction} Prediction
 */

const AT_ONCE = 100;
const REVIEWABLE = ["CLASSIFIED", "UNKNOWN_BREED", "NO_DOG"];

export class Reviews extends EventTarget {
  #api;
  #rows;
  #session;
  #drafts;
  #news;
  /** @type {{key: string, version: string, before: import("./api.js").Review | undefined}[][]} */
  #done = [];
  /** @type {Map<string, Promise<unknown>>} one review of a photo follows the other */
  #lines = new Map();

  /**
   * @param {{api: import("./api.js").Api, rows: import("./rows.js").Rows, session: import("./session.js").Session,
   *   drafts: import("./drafts.js").Drafts, news: import("./news.js").News}} parts
   */
  constructor({ api, rows, session, drafts, news }) {
    super();
    this.#api = api;
    this.#rows = rows;
    this.#session = session;
    this.#drafts = drafts;
    this.#news = news;
  }

  /**
   * @param {string[]} keys
   * @param {string} verdict
   * @param {string} [breed]
   * @returns {boolean} whether there was anything to say it about
   */
  give(keys, verdict, breed) {
    const rows = keys.map((key) => this.#rows.get(key)).filter((row) => row && REVIEWABLE.includes(row.status));
    if (rows.length === 0) {
      this.#news.say("There is nothing to review here: the model has no answer for it.", { name: "review" });
      return false;
    }
    // The same word once more is no new review, so there would be nothing of it to undo.
    const said = rows.map((row) => saidOf(row, verdict, breed));
    const anew = said.filter((entry, index) => !this.#repeats(rows[index].review, entry));
    this.#announce(said[0], rows, keys.length - rows.length);
    if (anew.length === 0) return true;
    const before = new Map(rows.map((row) => [row.key, row.review]));
    this.#done.push(anew.map(({ key, version }) => ({ key, version, before: before.get(key) })));
    this.#send(anew);
    return true;
  }

  /**
   * Takes back what was said last; without a last one, what this person once said about `key`.
   * @param {string} [key]
   * @returns {string[]} the photos
   */
  undo(key) {
    const row = key ? this.#rows.get(key) : undefined;
    const own = row?.review && row.review.by === this.#session.user && row.review.verdict !== "UNDONE";
    const last = this.#done.pop() ?? (own ? [{ key: row.key, version: row.version, before: undefined }] : []);
    if (last.length === 0) {
      this.#news.say("There is nothing to undo.", { name: "review" });
      return [];
    }
    const what = last.length === 1 ? fileName(last[0].key) : several(last.length, "photo");
    this.#news.say(`Taken back: ${what}.`, { name: "review" });
    const said = last.map((entry) => ({ key: entry.key, version: entry.version, verdict: "UNDONE" }));
    this.#send(said, new Map(last.map((entry) => [entry.key, entry.before])));
    return last.map((entry) => entry.key);
  }

  /** Sends what was said before the sign-in ended. */
  async sendLeft() {
    let saved = 0;
    for (const { id, said } of this.#drafts.left()) {
      const refused = await this.#deliver(said, id);
      if (refused === null) return;
      saved += said.length - refused;
    }
    if (saved) this.#news.say(`Saved: ${several(saved, "review")} from before you signed in again.`, { name: "review" });
  }

  /** @returns {Promise<unknown>} when everything that was said is answered */
  settled() {
    return Promise.allSettled(this.#lines.values());
  }

  #send(said, before = new Map()) {
    const draft = this.#drafts.keep(said);
    for (const entry of said) {
      const undone = entry.verdict === "UNDONE";
      this.#rows.say(entry.key, undone ? before.get(entry.key) : this.#review(entry));
    }
    const earlier = said.map((entry) => this.#lines.get(entry.key));
    const line = Promise.allSettled(earlier).then(() => this.#deliver(said, draft));
    said.forEach((entry) => this.#lines.set(entry.key, line));
  }

  /** @returns {Promise<number | null>} how many were refused; null: they still wait, for a sign-in */
  async #deliver(said, draft) {
    let results;
    try {
      results = await this.#ask(said);
    } catch (error) {
      if (error.name === "SignedOut") return null;
      this.#drafts.forget(draft);
      this.#failed(said, error);
      return said.length;
    }
    this.#drafts.forget(draft);
    const refused = results.filter((result) => result.status !== 200);
    results.filter((result) => result.status === 200).forEach((result) => this.#rows.confirm(result.prediction));
    refused.forEach((result) => this.#refused(result));
    this.dispatchEvent(new Event("saved"));
    if (said.some((entry) => entry.verdict === "NEW_BREED")) this.dispatchEvent(new Event("new breed"));
    return refused.length;
  }

  async #ask(entries) {
    const said = entries.map((entry) => this.#named(entry));
    if (said.length === 1) {
      const [{ key }] = said;
      try {
        return [{ key, status: 200, prediction: await this.#api.review(said[0]) }];
      } catch (error) {
        if (![404, 409, 412, 422].includes(error.status)) throw error;
        return [{ key, status: error.status, problem: error }];
      }
    }
    const results = [];
    for (let start = 0; start < said.length; start += AT_ONCE) {
      results.push(...(await this.#api.reviews(said.slice(start, start + AT_ONCE))));
    }
    return results;
  }

  /** What is taken back has a name by now, because everything said before about this photo is answered. */
  #named(entry) {
    const review = this.#rows.confirmed(entry.key)?.review;
    const own = entry.verdict === "UNDONE" && review?.id && review.by === this.#session.user;
    return own ? { ...entry, undoes: review.id } : entry;
  }

  #repeats(review, { verdict, breed }) {
    return review?.by === this.#session.user && review.verdict === verdict && review.breed === breed;
  }

  #announce(said, rows, skipped) {
    const what = verdictWords(said);
    const words = rows.length === 1 ? `${what}: ${fileName(rows[0].key)}.` : `${several(rows.length, "photo")}: ${what.toLowerCase()}.`;
    this.#news.say(words + (skipped ? ` Left out, because the model has no answer for them: ${skipped}.` : ""), {
      name: "review",
      action: { label: "Undo", key: "z", run: () => this.undo() },
    });
  }

  #refused({ key, status, problem }) {
    this.#news.close("review");
    this.#forgetDone(key);
    this.#rows.takeBack(key);
    if (status === 412 && problem?.current) {
      this.#rows.confirm(problem.current);
      this.dispatchEvent(new CustomEvent("replaced", { detail: key }));
      this.#news.warn(`${fileName(key)} was replaced or answered again in the meantime: please look again.`);
      return;
    }
    const words = failureWords({ name: "Problem", ...problem, status, detail: problem?.detail });
    this.#news.warn(`Your review of ${fileName(key)} was not saved. ${words}`);
  }

  #failed(said, error) {
    this.#news.close("review");
    said.forEach((entry) => {
      this.#forgetDone(entry.key);
      this.#rows.takeBack(entry.key);
    });
    const what = said.length === 1 ? `Your review of ${fileName(said[0].key)} was` : `${several(said.length, "review")} were`;
    this.#news.warn(`${what} not saved. ${failureWords(error)}`, {
      action: { label: "Try again", run: () => this.#send(said) },
    });
  }

  #forgetDone(key) {
    this.#done = this.#done.map((entries) => entries.filter((entry) => entry.key !== key)).filter((entries) => entries.length);
  }

  #review({ verdict, breed, version }) {
    return { id: "", verdict, breed, version, by: this.#session.user, at: new Date().toISOString() };
  }
}

/** A breed that the model said itself is "right", and so is "no dog" where the model said that. */
function saidOf(row, verdict, breed) {
  const right = (verdict === "WRONG_BREED" && breed === row.breed) || (verdict === "NO_DOG" && row.status === "NO_DOG");
  const { key, version } = row;
  if (right) return { key, version, verdict: "RIGHT" };
  return breed === undefined ? { key, version, verdict } : { key, version, verdict, breed };
}

/**
 * A typed breed: one that the model knows, or a new one.
 * @param {string} text
 * @param {import("./api.js").Breed[]} breeds
 * @returns {{verdict: "WRONG_BREED" | "NEW_BREED", breed: string}}
 */
export function typedBreed(text, breeds) {
  const plain = (name) => breedWords(name).toLowerCase();
  const same = breeds.find((breed) => plain(breed.name) === plain(text));
  return { verdict: same?.known ? "WRONG_BREED" : "NEW_BREED", breed: same?.name ?? text.trim().replace(/\s+/g, " ") };
}
