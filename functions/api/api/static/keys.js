/** The keys: which one does what, the sheet that shows them, and the switch that turns them off. */
import { openDialog } from "./dialogs.js";
import { h } from "./dom.js";

const OFF = "single-keys";

/** @type {[string, [string, string][]][]} */
const SHEET = [
  ["Say what it is", [
    ["y", "The model is right"], ["1 – 5", "Take one of its five guesses"], ["t", "Type a breed"],
    ["n", "No dog"], ["u", "Not sure"], ["z", "Undo"],
  ]],
  ["Move", [["j, →", "Next photo"], ["k, ←", "Photo before"], ["Enter", "Open"], ["Esc", "Close"]]],
  ["Several at once", [
    ["x", "Select"], ["Shift + click", "Select up to here"], ["Shift + arrow", "Select along the way"], ["Ctrl + a", "Select all that are loaded"],
  ]],
];

const COMMANDS = {
  y: "right", n: "no dog", u: "unsure", t: "type", z: "undo", j: "next", k: "before", x: "select", "?": "help",
  1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth",
};
/** The guess that a command takes, from 0. */
export const GUESSES = { first: 0, second: 1, third: 2, fourth: 3, fifth: 4 };

/**
 * What a pressed key asks for, if it is not being typed into a field.
 * @param {KeyboardEvent} event
 * @returns {string | null}
 */
export function command(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.repeat && event.key === "z") return null;
  const field = event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
  if (field || localStorage.getItem(OFF) === "off") return null;
  return COMMANDS[event.key.length === 1 ? event.key.toLowerCase() : event.key] ?? null;
}

/** @param {import("./news.js").News} news */
export function openSheet(news) {
  const toggle = h("input", { type: "checkbox", change: () => localStorage.setItem(OFF, toggle.checked ? "on" : "off") });
  toggle.checked = localStorage.getItem(OFF) !== "off";
  const groups = SHEET.map(([title, keys]) =>
    h("section", {}, h("h3", {}, title),
      h("dl", {}, keys.map(([key, does]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, does))))));
  openDialog({
    title: "Keys",
    news,
    children: [h("div", { class: "keys" }, ...groups), h("label", { class: "switch" }, toggle, "Single keys do these things")],
  });
}
