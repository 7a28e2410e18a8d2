/** Elements without a framework. */

/**
 * Makes an element. A function is a listener, `true` an attribute without a value, and null or
 * false leave an attribute out.
 * @param {string} name
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | number | null | false | undefined)} children
 * @returns {any}
 */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const PATHS = {
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  undo: "M8 5L4 9l4 4M4 9h10a6 6 0 010 12h-3",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  folder: "M3 6h6l2 3h10v10H3z",
  filter: "M4 6h16M7 12h10M10 18h4",
  down: "M6 9l6 6 6-6",
  keys: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  nothing: "M4 5h16v14H4zM4 19L20 5",
  dice: "M5 5h14v14H5zM9 9h.01M15 15h.01M12 12h.01",
  out: "M14 4h6v16h-6M3 12h11M10 8l4 4-4 4",
};

/**
 * A line drawing of 24 by 24. It says nothing to a screen reader: the words beside it do.
 * @param {keyof typeof PATHS} name
 * @returns {SVGElement}
 */
export const icon = (name) => drawing("0 0 24 24", "icon", PATHS[name]);

/**
 * Lines that say nothing to a screen reader.
 * @param {string} box
 * @param {string} style a class
 * @param {...string} lines each as an SVG path
 * @returns {SVGElement}
 */
export function drawing(box, style, ...lines) {
  const space = "http://www.w3.org/2000/svg";
  const make = (name, attributes) => {
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  // As wide as its place.
  const svg = make("svg", { viewBox: box, class: style, "aria-hidden": "true", preserveAspectRatio: "none" });
  svg.append(...lines.filter(Boolean).map((d) => make("path", { d })));
  return svg;
}

/**
 * Words for screen readers only.
 * @param {string} text
 */
export const unseen = (text) => h("span", { class: "unseen" }, text);

let made = 0;
/**
 * An id that nothing else on the page has.
 * @param {string} name
 */
export const newId = (name) => `${name}-${(made += 1)}`;
