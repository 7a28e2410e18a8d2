/** The bar over the grid: which photos, in which order. What it says is what the address says. */
import { breedField } from "./breed_field.js";
import { h, icon, newId } from "./dom.js";
import { breedWords } from "./words.js";

const STATUS = [["", "All"], ["CLASSIFIED", "Known breed"], ["UNKNOWN_BREED", "Unknown breed"], ["NO_DOG", "No dog"], ["REJECTED", "Rejected"]];
const REVIEWED = [["", "Any"], ["false", "Not reviewed"], ["true", "Reviewed"]];
const ORDER = [["", "Newest first"], ["least_sure", "Least sure first"]];

/**
 * @param {{
 *   filters: import("./address.js").Filters, change: (changes: import("./address.js").Filters) => void,
 *   breeds: () => Promise<import("./api.js").Breed[]>, versions: () => string[], shown: boolean,
 *   toggled: (shown: boolean) => void, beside: Node,
 * }} options shown: whether the filters beside the status are unfolded on a small screen; change sets those it names
 */
export function filterBar({ filters, change, breeds, versions, shown, toggled, beside }) {
  const set = (name, value) => change({ [name]: value });
  const clear = (names) => change(Object.fromEntries(names.map((name) => [name])));
  const folded = newId("filters");
  const active = chips(filters, clear);
  const more = h("button", {
    type: "button", class: "plain more-filters", "aria-expanded": String(shown), "aria-controls": folded,
    click: () => {
      const open = more.getAttribute("aria-expanded") !== "true";
      more.setAttribute("aria-expanded", String(open));
      bar.classList.toggle("unfolded", open);
      toggled(open);
    },
  }, icon("filter"), "Filters", active.length ? h("span", { class: "number" }, active.length) : null);

  const breed = breedField({ label: "Breed", breeds, value: filters.breed ? breedWords(filters.breed) : "", placeholder: "Any", choose: async (text) => {
    const all = await breeds().catch(() => []);
    const same = all.find((each) => breedWords(each.name).toLowerCase() === breedWords(text).toLowerCase());
    set("breed", same?.name ?? text);
  } });
  const known = newId("versions");
  const bar = h("form", { class: shown ? "filters unfolded" : "filters", "aria-label": "Filters", submit: (event) => event.preventDefault() },
    h("div", { class: "first" }, statuses(filters.status ?? "", (value) => set("status", value)), beside, more),
    h("div", { class: "rest", id: folded },
      breed.element,
      select("Reviews", REVIEWED, filters.reviewed, (value) => set("reviewed", value)),
      range("Confidence, %", percentField("from", filters.confidence_from, (value) => set("confidence_from", value)),
        percentField("to", filters.confidence_to, (value) => set("confidence_to", value))),
      range("Days (UTC)", dayField("from", filters.day_from, (value) => set("day_from", value)),
        dayField("to", filters.day_to, (value) => set("day_to", value))),
      field("Model version", h("input", {
        type: "text", list: known, placeholder: "Any", maxlength: 128, value: filters.model_version ?? "",
        change: (event) => set("model_version", event.target.value.trim()),
      }), h("datalist", { id: known }, versions().map((version) => h("option", { value: version })))),
      select("Order", ORDER, filters.order, (value) => set("order", value))),
    active.length ? h("ul", { class: "chips", "aria-label": "Active filters" }, ...active,
      h("li", {}, h("button", { type: "button", class: "plain", click: () => clear(Object.keys(filters).filter((name) => name !== "order")) }, "Clear all"))) : null);
  return bar;
}

function statuses(value, choose) {
  const name = newId("status");
  return h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, "Status"),
    STATUS.map(([each, words]) =>
      h("label", {}, h("input", { type: "radio", name, value: each, checked: each === value, change: () => choose(each) }), h("span", {}, words))));
}

function field(label, control, ...more) {
  const id = newId("field");
  control.id = id;
  return h("div", { class: "field" }, h("label", { for: id }, label), control, ...more);
}

function select(label, options, value = "", choose) {
  return field(label, h("select", { change: (event) => choose(event.target.value) },
    options.map(([each, words]) => h("option", { value: each, selected: each === value }, words))));
}

function range(label, from, to) {
  return h("fieldset", { class: "field" }, h("legend", {}, label), h("div", { class: "range" }, from, h("span", { "aria-hidden": "true" }, "–"), to));
}

function percentField(which, value, choose) {
  return h("input", {
    type: "number", min: 0, max: 100, step: 1, inputmode: "numeric", "aria-label": `Confidence ${which}, percent`,
    placeholder: which === "from" ? 0 : 100, value: value === undefined ? "" : Math.round(Number(value) * 100),
    change: (event) => event.target.reportValidity() && choose(event.target.value && String(Number(event.target.value) / 100)),
  });
}

function dayField(which, value, choose) {
  return h("input", { type: "date", "aria-label": `Day ${which}`, value: value ?? "", change: (event) => choose(event.target.value) });
}

/** One for each filter that is set; a press takes it away. */
function chips(filters, clear) {
  const span = (from, to, words) => {
    if (from && to) return `${words(from)} – ${words(to)}`;
    return from ? `from ${words(from)}` : `up to ${words(to)}`;
  };
  const percents = (share) => `${Math.round(Number(share) * 100)}%`;
  const said = [
    [["breed"], filters.breed && breedWords(filters.breed)],
    [["reviewed"], filters.reviewed && (filters.reviewed === "true" ? "Reviewed" : "Not reviewed")],
    [["confidence_from", "confidence_to"], (filters.confidence_from || filters.confidence_to) &&
      `Confidence ${span(filters.confidence_from, filters.confidence_to, percents)}`],
    [["day_from", "day_to"], (filters.day_from || filters.day_to) && `Days ${span(filters.day_from, filters.day_to, (day) => day)}`],
    [["model_version"], filters.model_version && `Model ${filters.model_version}`],
  ];
  return said.filter(([, words]) => words).map(([names, words]) =>
    h("li", {}, h("button", { type: "button", class: "chip", "aria-label": `Remove filter: ${words}`, click: () => clear(names) }, words, icon("close"))));
}
