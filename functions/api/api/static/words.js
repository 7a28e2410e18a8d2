/** What the page says: numbers, times, breeds, verdicts, reasons and failures in plain English. */

/**
 * A label as people write it: "German_shepherd" is "German shepherd".
 * @param {string} label
 */
export function breedWords(label) {
  const words = label.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * What the model said of a photo that it answered.
 * @param {import("./api.js").Prediction} row
 */
export function modelWords(row) {
  if (row.breed) return `${breedWords(row.breed)}, ${percent(row.confidence)}`;
  return row.status === "NO_DOG" ? "no dog" : "unknown breed";
}

/**
 * Rounded, but never to a certainty that nobody has.
 * @param {number} share from 0 to 1
 */
export function percent(share) {
  if (share > 0.995 && share < 1) return "over 99%";
  if (share > 0 && share < 0.005) return "under 1%";
  return `${Math.round(share * 100)}%`;
}

const WHOLE = new Intl.NumberFormat("en");
/** @param {number} value */
export const count = (value) => WHOLE.format(value);

/**
 * "1 photo", "2 photos".
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export const several = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
/** @param {string} iso */
export const moment = (iso) => MOMENT.format(new Date(iso));

const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
/**
 * How long ago, for a week; the date after that.
 * @param {string} iso
 */
export function ago(iso) {
  const seconds = (Date.now() - new Date(iso).getTime()) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3570) return AGO.format(-Math.round(seconds / 60), "minute");
  if (seconds < 86400) return AGO.format(-Math.round(seconds / 3600), "hour");
  if (seconds < 7 * 86400) return AGO.format(-Math.floor(seconds / 86400), "day");
  return moment(iso);
}

/** @param {number} bytes */
export const size = (bytes) =>
  bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

/** @param {number} ms */
export const lasted = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);

/**
 * The name that the photo had before the upload put a day and random characters in front of it.
 * @param {string} key
 */
export const fileName = (key) => (key.split("/").pop() ?? key).replace(/^[0-9A-Za-z]{8}-/, "");

/**
 * What a person said.
 * @param {{verdict: string, breed?: string}} review
 */
export function verdictWords(review) {
  const breed = breedWords(review.breed ?? "");
  const said = {
    RIGHT: "Right",
    WRONG_BREED: breed,
    NEW_BREED: `${breed} (a new breed)`,
    NO_DOG: "No dog",
    UNSURE: "Not sure",
    UNDONE: "Took it back",
  };
  return said[review.verdict] ?? review.verdict;
}

const REASONS = {
  EMPTY: ["The file is empty.", "Upload it again."],
  TOO_LARGE: ["The file is too large.", "Send a smaller copy: 25 MB at most."],
  NOT_AN_IMAGE: ["This is not a photo.", "The name may say otherwise; what is inside decides."],
  UNSUPPORTED_FORMAT: ["This kind of picture is not read here.", "Save it as JPEG, PNG, WebP or HEIC."],
  TOO_MANY_PIXELS: ["The picture has too many pixels.", "Send a smaller copy."],
  CORRUPT: ["The file is damaged.", "Upload it again from where it came."],
  TRUNCATED: ["The end of the file is missing.", "The upload may have been cut short. Upload it again."],
  TOO_SLOW: ["The picture took too long to read.", "Save it anew as JPEG and upload that."],
  MODEL_REFUSED: ["The model refused this photo.", "Tell the people who run this system."],
  ARCHIVED: ["The photo is in an archive and cannot be read.", "Bring it back from the archive, or upload it again."],
  UNREADABLE: ["The photo cannot be read where it is kept.", "Tell the people who run this system."],
};

/**
 * Why a photo was rejected, and what to do about it.
 * @param {{code: string, message: string}} reason
 * @returns {{what: string, advice: string}}
 */
export function reasonWords(reason) {
  const [what, advice] = REASONS[reason.code] ?? ["This photo could not be answered.", "Upload it again."];
  return { what, advice };
}

const FAILURES = {
  400: "The server did not understand the request.",
  403: "You may not do this. Ask for the group reviewers.",
  404: "It is no longer there.",
  409: "There is nothing to review in it.",
  412: "The photo was replaced or answered again in the meantime.",
  413: "That was too much at once. Send fewer.",
  422: "The server did not accept it.",
  429: "Too many requests just now. Wait a moment and try again.",
};

/**
 * A failure in words that help. The server's own words come first where it has some.
 * @param {any} error
 */
export function failureWords(error) {
  if (error.name === "Unreachable") return "The server cannot be reached. Check your connection and try again.";
  if (error.name === "SignedOut") return "Your sign-in has ended.";
  if (error.name !== "Problem") return `Something went wrong on this page: ${error.message}`;
  if (error.status >= 500) return "The server has a fault. Try again in a moment.";
  const field = error.errors?.[0];
  const detail = field ? `${field.field}: ${field.message}` : error.detail;
  return detail || FAILURES[error.status] || error.title || "It did not work.";
}
