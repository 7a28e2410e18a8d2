/** Looks again and again: often while something is expected, never in a hidden tab, seldom after failures. */

const CALM_MS = 3_000;
const EAGER_MS = 700;
const LONGEST_MS = 60_000;

export class Poll extends EventTarget {
  #look;
  #eager;
  #timer = 0;
  #failures = 0;
  #looking = false;
  #stopped = true;

  /**
   * @param {() => Promise<unknown>} look
   * @param {() => boolean} eager whether something is expected any moment
   */
  constructor(look, eager) {
    super();
    this.#look = look;
    this.#eager = eager;
    document.addEventListener("visibilitychange", () => this.now());
    addEventListener("online", () => this.now());
  }

  start() {
    this.#stopped = false;
    this.#later();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Looks at once; something may have changed. */
  async now() {
    clearTimeout(this.#timer);
    if (this.#stopped || document.hidden || this.#looking) return;
    this.#looking = true;
    try {
      await this.#look();
      if (this.#failures) this.dispatchEvent(new Event("back"));
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      if (this.#failures === 2) this.dispatchEvent(new CustomEvent("lost", { detail: error }));
    } finally {
      this.#looking = false;
      this.#later();
    }
  }

  #later() {
    clearTimeout(this.#timer);
    if (this.#stopped || document.hidden) return;
    const usual = this.#eager() ? EAGER_MS : CALM_MS;
    const wait = this.#failures ? Math.min(LONGEST_MS, CALM_MS * 2 ** (this.#failures - 1)) : usual;
    this.#timer = setTimeout(() => this.now(), wait);
  }
}
