/** A field for a breed, with completion (the ARIA pattern of a combobox with a list). */
import { h, newId } from "./dom.js";
import { breedWords, several } from "./words.js";

const SHOWN = 8;

/**
 * @param {{
 *   label: string, breeds: () => Promise<import("./api.js").Breed[]>, choose: (text: string) => void,
 *   typed?: (text: string) => void, value?: string, anew?: boolean, placeholder?: string,
 * }} options anew: a breed that is not in the list may be given; it is then said to be new
 * @returns {{element: HTMLElement, input: HTMLInputElement}}
 */
export function breedField({ label, breeds, choose, typed, value = "", anew = false, placeholder = "" }) {
  const id = newId("breed");
  const list = h("ul", { id: `${id}-list`, role: "listbox", "aria-label": label, hidden: true });
  const input = h("input", {
    id, type: "text", role: "combobox", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 64,
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id, placeholder,
  });
  input.value = value;
  let active = -1;
  let asked = 0;

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const take = (text) => {
    asked += 1;
    close();
    choose(text);
  };
  const mark = (index) => {
    const options = [...list.children];
    active = options.length ? (index + options.length) % options.length : -1;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
    if (active < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", options[active].id);
      options[active].scrollIntoView({ block: "nearest" });
    }
  };
  const open = async () => {
    const turn = (asked += 1);
    const all = await breeds().catch(() => []);
    if (turn !== asked || document.activeElement !== input) return;
    const text = input.value.trim();
    const found = matches(all, text);
    const exact = found.some((breed) => plain(breed.name) === plain(text));
    const options = found.map((breed) => ({ text: breed.name, words: breedWords(breed.name), note: breed.known ? (breed.count ? several(breed.count, "photo") : "") : "new to the model" }));
    if (anew && text && !exact) options.push({ text, words: `“${text}”`, note: "a new breed" });
    list.replaceChildren(...options.map((option, at) =>
      h("li", {
        id: `${id}-${at}`, role: "option", "aria-selected": "false", "data-text": option.text,
        pointerdown: (event) => event.preventDefault(), click: () => take(option.text),
      }, h("span", {}, option.words), option.note && h("span", { class: "quiet" }, option.note))));
    list.hidden = options.length === 0;
    input.setAttribute("aria-expanded", String(options.length > 0));
    mark(text && options.length ? 0 : -1);
  };

  const press = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open();
      else mark(active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = list.children[active];
      if (option) take(option.dataset.text);
      else take(input.value.trim());
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };
  input.addEventListener("keydown", press);
  input.addEventListener("input", () => {
    typed?.(input.value);
    open();
  });
  input.addEventListener("focus", open);
  input.addEventListener("blur", close);
  return { element: h("div", { class: "breed-field" }, h("label", { for: id }, label), input, list), input };
}

const plain = (name) => breedWords(name).toLowerCase();

/** Those that start with the text first, then those that hold it; more photos first. */
function matches(breeds, text) {
  const wanted = plain(text);
  const rank = (breed) => (plain(breed.name).startsWith(wanted) ? 0 : 1);
  return breeds
    .filter((breed) => plain(breed.name).includes(wanted))
    .sort((a, b) => rank(a) - rank(b) || b.count - a.count || plain(a.name).localeCompare(plain(b.name)))
    .slice(0, SHOWN);
}
