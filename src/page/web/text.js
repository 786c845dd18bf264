/** Words, numbers and elements. Text of names and errors is only ever a text node. */
import { EN } from "./words_en.js";
import { KO } from "./words_ko.js";

const LANGUAGES = { en: EN, ko: KO };

/** Which language the page speaks. */
export const speaking = { language: "en" };

/** What the page says under a name such as `states.ready`, with values in its places. */
export function say(name, values = {}) {
  let found = LANGUAGES[speaking.language];
  for (const part of name.split(".")) found = found?.[part];
  return fill(found ?? name, values);
}

/** Name and sentence of a step. */
export function stepWords(kind, values = {}) {
  const [name, why] = LANGUAGES[speaking.language].steps[kind];
  return { name, why: fill(why, values) };
}

function fill(text, values) {
  return text.replaceAll(
    /\{(\w+)\}/g,
    (place, name) => name in values ? String(values[name]) : place,
  );
}

/** Microseconds for a person. */
export function showTime(microseconds) {
  const units = [[1e6, "s"], [1e3, "ms"], [1, "µs"]];
  const [size, unit] = units.find(([size]) => microseconds >= size) ??
    units[2];
  const number = microseconds / size;
  const digits = number >= 100 ? 0 : number >= 10 ? 1 : 2;
  return `${number.toFixed(unit === "µs" ? 0 : digits)} ${unit}`;
}

/** A moment of a connection: fine enough to tell two steps apart, however late they are. */
export function showMoment(microseconds) {
  if (microseconds < 1e3) return `+${microseconds.toFixed(0)} µs`;
  return microseconds < 1e6
    ? `+${(microseconds / 1e3).toFixed(2)} ms`
    : `+${(microseconds / 1e6).toFixed(4)} s`;
}

/** Bytes for a person, in powers of 1024. */
export function showBytes(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["", "K", "M", "G", "T"];
  let value = bytes, unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}${
    units[unit]
  }`;
}

/** How a process ended. */
export function showExit({ code, signal }) {
  return signal ?? `exit ${code}`;
}

const SVG = "http://www.w3.org/2000/svg";

/** An element; children are elements, or text. */
export function element(tag, attributes = {}, ...children) {
  return grown(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function drawn(tag, attributes = {}, ...children) {
  return grown(document.createElementNS(SVG, tag), attributes, children);
}

function grown(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Puts text where there is other text; what is the same already stays untouched. */
export function put(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** The element with an id. */
export function at(id) {
  return document.getElementById(id);
}

/** Whether the person wants nothing to move. */
export function isStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Says all fixed words again, in the language of the moment. */
export function sayAll() {
  document.documentElement.lang = speaking.language;
  for (const place of document.querySelectorAll("[data-text]")) {
    put(place, say(place.dataset.text));
  }
  for (const place of document.querySelectorAll("[data-label]")) {
    place.setAttribute("aria-label", say(place.dataset.label));
  }
}
