/** Photos on their way: a few at a time, straight to S3, tried again, until each has its answer. */
import { photoType } from "./files.js";
import { failureWords } from "./words.js";

/**
 * @typedef {{
 *   id: number, file: File, state: "waiting" | "sending" | "sent" | "answered" | "failed", share: number,
 *   key: string, words: string, sentAt: number, askedAt: number, form: {askedAt: number, form: import("./api.js").Form} | null,
 * }} Upload share: how much is sent, from 0 to 1
 */

const AT_ONCE = 4;
const TRIES = 3;
const AGAIN_MS = 1_000;
// A form is good for an hour. A large photo on a slow line needs some of that.
const FORM_MS = 30 * 60_000;
const FORMS_AT_ONCE = 20;
// An answer takes seconds. One that takes longer is not waited for every moment.
const DUE_MS = 60_000;
// An answer that is not among the newest rows after this time is asked for by its key.
const OVERDUE_MS = 8_000;

export class Uploads extends EventTarget {
  #api;
  #rows;
  #running = 0;
  #made = 0;
  /** @type {Upload[]} */
  all = [];

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./rows.js").Rows} rows
   */
  constructor(api, rows) {
    super();
    this.#api = api;
    this.#rows = rows;
    addEventListener("beforeunload", (event) => this.sending && event.preventDefault());
  }

  /** Some are still on their way to S3. */
  get sending() {
    return this.all.some((upload) => upload.state === "waiting" || upload.state === "sending");
  }

  /** Some are there and have no answer yet. */
  get expecting() {
    return this.all.some((upload) => upload.state === "sent");
  }

  /** An answer may come any moment. */
  get due() {
    return this.all.some((upload) => upload.state === "sent" && upload.sentAt > Date.now() - DUE_MS);
  }

  /** @param {File[]} files */
  add(files) {
    for (const file of files) {
      this.all.push({ id: (this.#made += 1), file, state: "waiting", share: 0, key: "", words: "", sentAt: 0, askedAt: 0, form: null });
    }
    this.#tell();
    this.#next();
  }

  /** @param {Upload} upload that failed */
  again(upload) {
    this.#change(upload, { state: "waiting", share: 0, words: "" });
    this.#next();
  }

  /** Forgets those that are over. */
  tidy() {
    this.all = this.all.filter((upload) => upload.state !== "answered" && upload.state !== "failed");
    this.#tell();
  }

  /**
   * Looks for answers among rows that came in.
   * @param {import("./api.js").Prediction[]} rows
   */
  answered(rows) {
    const keys = new Set(rows.map((row) => row.key));
    for (const upload of this.all) if (upload.state === "sent" && keys.has(upload.key)) this.#change(upload, { state: "answered" });
  }

  /** Asks for the longest overdue answer by its key. */
  async askForOverdue() {
    const upload = this.all.find((each) => each.state === "sent" && Date.now() - each.askedAt > OVERDUE_MS);
    if (!upload) return;
    try {
      const row = await this.#api.prediction(upload.key);
      this.#rows.put(row);
      this.#change(upload, { state: "answered" });
    } catch (error) {
      if (error.status !== 404) throw error;
      // Not answered yet: the others come first next time.
      upload.askedAt = Date.now();
    }
  }

  #next() {
    while (this.#running < AT_ONCE) {
      const upload = this.all.find((each) => each.state === "waiting");
      if (!upload) return;
      this.#running += 1;
      this.#change(upload, { state: "sending" });
      this.#carry(upload).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #carry(upload) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const key = await this.#send(upload);
        this.#change(upload, { state: "sent", share: 1, key, sentAt: Date.now(), askedAt: Date.now() });
        this.dispatchEvent(new Event("sent"));
        return;
      } catch (error) {
        upload.form = null;
        const mayPass = error.name === "Unreachable" || error.status === 429 || error.status >= 500;
        if (mayPass && attempt < TRIES) {
          this.#change(upload, { share: 0 });
          await new Promise((done) => setTimeout(done, AGAIN_MS * attempt));
          continue;
        }
        this.#change(upload, { state: "failed", words: failureWords(error) });
        return;
      }
    }
  }

  async #send(upload) {
    const { file } = upload;
    if (!upload.form || upload.form.askedAt < Date.now() - FORM_MS) await this.#askForms(upload);
    const { form } = upload.form;
    await post(form, new File([file], file.name, { type: typeOf(file) }), (share) => this.#change(upload, { share }));
    return form.key;
  }

  /** One request brings the forms of those that come next, too. Trouble with one of them must not stop this one. */
  async #askForms(upload) {
    const next = this.all.filter((each) => each.state === "waiting" && !each.form).slice(0, FORMS_AT_ONCE - 1);
    const asked = [upload, ...next];
    const forms = await this.#forms(asked).catch(async (error) => {
      if (error.status !== 422 || next.length === 0) throw error;
      return this.#forms([upload]);
    });
    forms.forEach((form, index) => {
      asked[index].form = { askedAt: Date.now(), form };
    });
  }

  #forms(uploads) {
    return this.#api.uploads(uploads.map(({ file }) => ({ name: file.name.slice(-255), size: file.size, content_type: typeOf(file) })));
  }

  #change(upload, change) {
    Object.assign(upload, change);
    this.dispatchEvent(new CustomEvent("change", { detail: upload }));
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("change", { detail: null }));
  }
}

const typeOf = (file) => photoType(file) ?? "application/octet-stream";

/**
 * `fetch` does not tell how much is sent, so this is an XMLHttpRequest.
 * @param {import("./api.js").Form} form
 * @param {File} file
 * @param {(share: number) => void} progress
 * @returns {Promise<void>}
 */
function post(form, file, progress) {
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
  body.append("file", file);
  return new Promise((done, failed) => {
    const sender = new XMLHttpRequest();
    sender.open("POST", form.url);
    sender.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    sender.onload = () => (sender.status < 300 ? done() : failed(refusal(sender.status)));
    sender.onerror = () => failed(Object.assign(new Error("no answer"), { name: "Unreachable" }));
    sender.send(body);
  });
}

function refusal(status) {
  const detail = status === 403 ? "The store refused the file: the permission for it ran out. Try again." : "The store refused the file.";
  return Object.assign(new Error(detail), { name: "Problem", status, detail });
}
