/**
 * What a person said and the server does not know yet. It outlives a sign-in that ends in between,
 * in this tab only, and goes to nobody else's account.
 */

const STORE = "said";
const TYPED = "typed";

export class Drafts {
  #user;

  /** @param {string} user whose words they are */
  constructor(user) {
    this.#user = user;
  }

  /**
   * Before it is sent.
   * @param {import("./api.js").Said[]} said
   * @returns {string} what to forget it by
   */
  keep(said) {
    const id = crypto.randomUUID();
    this.#write([...this.#read(), { id, user: this.#user, said }]);
    return id;
  }

  /**
   * After the server has answered, whatever it answered.
   * @param {string} id
   */
  forget(id) {
    this.#write(this.#read().filter((draft) => draft.id !== id));
  }

  /** @returns {{id: string, said: import("./api.js").Said[]}[]} those of this person; others' are dropped */
  left() {
    const own = this.#read().filter((draft) => draft.user === this.#user);
    this.#write(own);
    return own;
  }

  /**
   * A breed that is being typed for a photo.
   * @param {string} key
   * @param {string} text
   */
  type(key, text) {
    if (text) sessionStorage.setItem(TYPED, JSON.stringify({ user: this.#user, key, text }));
    else sessionStorage.removeItem(TYPED);
  }

  /**
   * @param {string} key
   * @returns {string} what had been typed for this photo
   */
  typed(key) {
    const typed = JSON.parse(sessionStorage.getItem(TYPED) ?? "null");
    return typed?.key === key && typed.user === this.#user ? typed.text : "";
  }

  /** @returns {any[]} */
  #read() {
    return JSON.parse(sessionStorage.getItem(STORE) ?? "[]");
  }

  #write(drafts) {
    sessionStorage.setItem(STORE, JSON.stringify(drafts));
  }
}
