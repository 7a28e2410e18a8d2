/** Dialogs: opened over the page, closed by Escape, focus back where it was. */
import { h, icon, newId } from "./dom.js";

/**
 * @param {{title: string, children: Node[], news: import("./news.js").News, closed?: () => void}} options
 * @returns {HTMLDialogElement} open
 */
export function openDialog({ title, children, news, closed }) {
  const id = newId("title");
  const close = h("button", { type: "button", class: "plain small close", "aria-label": "Close", click: () => dialog.close() }, icon("close"));
  const dialog = h("dialog", { class: "sheet", "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), close), ...children);
  show(dialog, news, () => {
    dialog.remove();
    closed?.();
  });
  return dialog;
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {import("./news.js").News} news
 * @param {() => void} closed
 */
export function show(dialog, news, closed) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    news.moveTo(top() ?? document.body);
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    closed();
  }, { once: true });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.showModal();
  news.moveTo(dialog);
}

/** @returns {HTMLElement | null} the dialog that lies over everything else */
export const top = () => [...document.querySelectorAll("dialog[open]")].at(-1) ?? null;
