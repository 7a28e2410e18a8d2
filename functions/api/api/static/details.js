/** What is known about a photo: what stands, the five guesses, the facts and who said what. */
import { h, unseen } from "./dom.js";
import { standing } from "./rows.js";
import { ago, breedWords, fileName, lasted, modelWords, moment, percent, reasonWords, size, verdictWords } from "./words.js";

/**
 * @param {import("./api.js").Prediction} row
 * @param {{take?: (label: string) => void}} [options] take: a guess may be taken by a press
 * @returns {Node[]}
 */
export function details(row, { take } = {}) {
  return [
    h("p", { class: "said" }, saidWords(row)),
    row.reason ? reason(row.reason) : null,
    row.top ? guesses(row, take) : null,
    facts(row),
    history(row),
  ].filter((part) => part !== null);
}

/**
 * The heading: what stands.
 * @param {import("./api.js").Prediction} row
 */
export function title(row) {
  const stands = standing(row);
  return breedWords(stands.breed ?? stands.kind);
}

/** Who says so, and what the model said if that was something else. */
function saidWords(row) {
  const { review } = row;
  if (!row.top) return row.status === "REJECTED" ? "The model never saw this photo." : "";
  if (!review || review.verdict === "UNDONE") {
    if (row.breed) return `The model is ${percent(row.confidence)} sure.`;
    return row.status === "NO_DOG" ? "The model sees no dog." : "The model sees a dog, but none of the breeds that it knows.";
  }
  const model = modelWords(row);
  const when = ago(review.at);
  if (review.verdict === "RIGHT") return `Right, says ${review.by}, ${when}. The model: ${model}.`;
  return `${review.by}, ${when}. The model said: ${model}.`;
}

function reason(given) {
  const { what, advice } = reasonWords(given);
  return h("div", { class: "reason" }, h("p", {}, h("strong", {}, what), " ", advice), h("p", { class: "quiet" }, given.message));
}

function guesses(row, take) {
  const right = row.review && standing(row).kind === "breed" ? standing(row).breed : null;
  return h("section", { class: "guesses" }, h("h3", {}, row.status === "UNKNOWN_BREED" ? "The nearest breeds" : "The model's guesses"),
    h("ol", {}, row.top.map((guess, index) => {
      const bar = h("span", { class: "bar" }, h("span", {}));
      bar.style.setProperty("--share", String(guess.probability));
      const chosen = right === guess.label;
      const parts = [
        take && h("kbd", { "aria-hidden": "true" }, index + 1),
        h("span", { class: "name" }, breedWords(guess.label), chosen && unseen(", stands")),
        h("span", { class: "share" }, percent(guess.probability)),
        bar,
      ];
      const look = chosen ? "guess chosen" : "guess";
      return h("li", {}, take
        ? h("button", { type: "button", class: look, click: () => take(guess.label), title: `It is ${breedWords(guess.label)}` }, ...parts)
        : h("div", { class: look }, ...parts));
    })));
}

function facts(row) {
  const pairs = [
    ["File", fileName(row.key)],
    ["Answered", row.classified_at && moment(row.classified_at)],
    ["Took", row.latency_ms !== undefined && `${lasted(row.latency_ms)} from upload to answer`],
    ["Model", row.model_version],
    ["Dog at all", row.dog_probability !== undefined && percent(row.dog_probability)],
    ["Novelty", row.novelty !== undefined && `Stranger to the model than ${percent(row.novelty)} of photos of breeds that it knows`],
    ["Size", [row.width && `${row.width} × ${row.height}`, row.size_bytes && size(row.size_bytes)].filter(Boolean).join(", ")],
    ["Sample", row.sample && "Picked at random, so it counts for the accuracy"],
    ["Key", row.key],
  ];
  return h("section", { class: "facts" }, h("h3", {}, "Facts"),
    h("dl", {}, pairs.filter(([, value]) => value).map(([name, value]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
}

function history(row) {
  const said = row.history ?? (row.review ? [row.review] : []);
  const lines = said.map((review) =>
    h("li", {}, h("strong", {}, verdictWords(review)), " ",
      h("span", { class: "quiet" }, `${review.by}, `, h("time", { datetime: review.at, title: moment(review.at) }, ago(review.at)),
        review.version === row.version ? null : ", about an earlier photo of this name")));
  return h("section", { class: "history" }, h("h3", {}, "Reviews"),
    lines.length ? h("ol", {}, ...lines) : h("p", { class: "quiet" }, "Nobody has reviewed it yet."));
}
