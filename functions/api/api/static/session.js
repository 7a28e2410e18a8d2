/**
 * Who is signed in. The access token lives in this module's memory only, and the refresh token in a
 * cookie that no script can read. Sign-in is an authorization code with PKCE (RFC 7636).
 */
import { answerOf, base64url, Problem, request } from "./api.js";

const HEADERS = { "X-Requested-With": "page", "Content-Type": "application/json" };
const EARLY_MS = 30_000;
const STARTED = "sign-in";

/** The sign-in has ended and only the person can begin a new one. */
export class SignedOut extends Error {
  name = "SignedOut";
}

export class Session extends EventTarget {
  #base;
  #token = "";
  #ends = 0;
  /** @type {any} */
  #config = null;
  /** @type {Promise<string> | null} */
  #renewing = null;
  user = "";
  canReview = false;

  /** @param {URL} base where the page lives */
  constructor(base) {
    super();
    this.#base = base;
  }

  /**
   * Takes up the sign-in that has just come back, or the one that the cookie remembers.
   * @returns {Promise<boolean>} whether somebody is signed in
   */
  async start() {
    const query = new URLSearchParams(location.search);
    if (query.has("state") && (query.has("code") || query.has("error"))) return this.#comeBack(query);
    try {
      await this.#refresh();
      return true;
    } catch (error) {
      if (error instanceof SignedOut) return false;
      throw error;
    }
  }

  /** @returns {Promise<string>} a token that is good for a while */
  async token() {
    return this.#token && Date.now() < this.#ends - EARLY_MS ? this.#token : this.renew();
  }

  /** @returns {Promise<string>} a new token; requests that ask at once share one */
  renew() {
    this.#renewing ??= this.#refresh().finally(() => {
      this.#renewing = null;
    });
    this.#renewing.catch((error) => error instanceof SignedOut && this.dispatchEvent(new Event("ended")));
    return this.#renewing;
  }

  /** Leaves for the sign-in page, and comes back to this very view. */
  async signIn() {
    const config = await this.config();
    const verifier = random(48);
    const state = random(24);
    sessionStorage.setItem(STARTED, JSON.stringify({ state, verifier, search: location.search }));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const address = new URL(config.sign_in);
    for (const [name, value] of Object.entries({
      response_type: "code",
      client_id: config.client_id,
      redirect_uri: this.#address(),
      scope: config.scopes.join(" "),
      state,
      code_challenge: base64url(new Uint8Array(digest)),
      code_challenge_method: "S256",
    })) {
      address.searchParams.set(name, value);
    }
    location.assign(address);
  }

  /** Ends the session here, and then at the sign-in page. */
  async signOut() {
    const config = await this.config();
    await request(new URL("session", this.#base), { method: "DELETE", headers: HEADERS });
    sessionStorage.clear();
    const address = new URL(config.sign_out);
    address.searchParams.set("client_id", config.client_id);
    address.searchParams.set("logout_uri", this.#address());
    location.assign(address);
  }

  /**
   * Where to sign in and out, and how large a photo may be.
   * @returns {Promise<{sign_in: string, sign_out: string, client_id: string, scopes: string[], max_upload_bytes: number}>}
   */
  async config() {
    this.#config ??= await answerOf(await request(new URL("config.json", this.#base)));
    return this.#config;
  }

  async #comeBack(query) {
    const started = JSON.parse(sessionStorage.getItem(STARTED) ?? "{}");
    sessionStorage.removeItem(STARTED);
    history.replaceState(null, "", location.pathname + (started.search ?? ""));
    if (started.state !== query.get("state")) return this.start();
    if (query.has("error")) throw new Problem(400, { detail: query.get("error_description") ?? query.get("error") });
    await this.#take("session", {
      code: query.get("code"),
      code_verifier: started.verifier,
      redirect_uri: this.#address(),
    });
    return true;
  }

  async #refresh() {
    try {
      return await this.#take("session/refresh", {});
    } catch (error) {
      if (error instanceof Problem && error.status === 401) throw new SignedOut();
      throw error;
    }
  }

  async #take(path, body) {
    const options = { method: "POST", headers: HEADERS, body: JSON.stringify(body) };
    const given = await answerOf(await request(new URL(path, this.#base), options));
    this.#token = given.access_token;
    this.#ends = Date.now() + given.expires_in * 1000;
    this.user = given.user;
    this.canReview = given.can_review;
    return this.#token;
  }

  #address() {
    return this.#base.origin + this.#base.pathname;
  }
}

const random = (bytes) => base64url(crypto.getRandomValues(new Uint8Array(bytes)));
