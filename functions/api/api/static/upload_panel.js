/** What happens to the photos that are on their way, each with its bar. */
import { h, icon, unseen } from "./dom.js";
import { standing } from "./rows.js";
import { title } from "./details.js";
import { percent, reasonWords, several } from "./words.js";

/**
 * @param {{place: HTMLElement, uploads: import("./uploads.js").Uploads, rows: import("./rows.js").Rows, open: (key: string) => void}} parts
 */
export function uploadPanel({ place, uploads, rows, open }) {
  const lines = new Map();
  const heading = h("h2", {});
  const whole = h("progress", { max: 1, value: 0, "aria-label": "All photos" });
  const list = h("ul", {});
  const fold = h("button", {
    type: "button", class: "plain small", "aria-label": "Details", "aria-expanded": "true",
    click: () => {
      list.hidden = !list.hidden;
      fold.setAttribute("aria-expanded", String(!list.hidden));
    },
  }, icon("down"));
  const close = h("button", { type: "button", class: "plain small", "aria-label": "Close the uploads", click: () => uploads.tidy() }, icon("close"));
  place.replaceChildren(h("header", {}, heading, fold, close), whole, list);

  const head = () => {
    const { all } = uploads;
    const over = all.filter((upload) => upload.state === "answered").length;
    const failed = all.filter((upload) => upload.state === "failed").length;
    const running = all.length - over - failed;
    heading.textContent = running ? `${over + failed} of ${several(all.length, "photo")} done` : summaryWords(over, failed);
    whole.value = all.reduce((sum, { state, share }) => sum + (state === "answered" || state === "failed" ? 1 : share * 0.9), 0) / (all.length || 1);
    whole.hidden = running === 0;
    close.hidden = running > 0;
    place.hidden = all.length === 0;
  };
  const draw = (upload) => {
    const line = lines.get(upload.id) ?? lineOf(upload, uploads, rows, open);
    lines.set(upload.id, line);
    line.draw();
  };
  uploads.addEventListener("change", ({ detail }) => {
    if (detail) draw(detail);
    else {
      const left = new Set(uploads.all.map((upload) => upload.id));
      for (const [id, line] of lines) {
        if (!left.has(id)) {
          line.element.remove();
          lines.delete(id);
        }
      }
      uploads.all.forEach(draw);
      list.append(...uploads.all.map((upload) => lines.get(upload.id).element).filter((element) => !element.isConnected));
    }
    head();
  });
}

const summaryWords = (over, failed) =>
  failed ? `${several(over, "photo")} answered, ${failed} failed` : `${several(over, "photo")} answered`;

function lineOf(upload, uploads, rows, open) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `Upload of ${upload.file.name}` });
  const words = h("span", { class: "quiet" });
  const again = h("button", { type: "button", class: "plain strong", click: () => uploads.again(upload) }, "Try again", unseen(` with ${upload.file.name}`));
  const look = h("button", { type: "button", class: "plain strong", click: () => open(upload.key) }, "Show", unseen(` ${upload.file.name}`));
  const element = h("li", {}, h("span", { class: "name" }, upload.file.name), words, bar, again, look);
  const draw = () => {
    const { state, share } = upload;
    element.className = state;
    bar.value = share;
    bar.hidden = state !== "sending" && state !== "waiting";
    again.hidden = state !== "failed";
    look.hidden = state !== "answered";
    words.textContent = {
      waiting: "Waiting",
      sending: share < 1 ? percent(share) : "Finishing…",
      sent: "Waiting for the answer…",
      failed: upload.words,
      answered: answerWords(rows.get(upload.key)),
    }[state];
  };
  return { element, draw };
}

function answerWords(row) {
  if (!row) return "Answered";
  if (row.reason) return reasonWords(row.reason).what;
  return standing(row).kind === "breed" ? `${title(row)}, ${percent(row.confidence)}` : title(row);
}
