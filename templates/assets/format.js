// Numbers and times for people.

import { h, setText } from "./dom.js";

/** A count: 950, 12.3k, 4.5M. */
export function count(number) {
  if (number < 10000) return String(Math.round(number));
  if (number < 1e6) return `${trim(number / 1e3)}k`;
  return `${trim(number / 1e6)}M`;
}

/** Something a second. */
export function rate(number) {
  if (number === 0) return "0";
  if (number < 10) return number.toFixed(1).replace(/\.0$/, "");
  return count(number);
}

const trim = (number) => (number < 100 ? number.toFixed(1).replace(/\.0$/, "") : String(Math.round(number)));

/** Milliseconds with a unit that suits. */
export function millis(number) {
  if (number === null || number === undefined) return "–";
  if (number < 1) return `${number.toFixed(1)} ms`;
  if (number < 1000) return `${Math.round(number)} ms`;
  if (number < 60000) return `${trim(number / 1000)} s`;
  return `${trim(number / 60000)} min`;
}

export const percent = (number) => (number === null || number === undefined ? "–" : `${number} %`);

/** A length of time in seconds. */
export function length(seconds) {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** How far this machine's clock is from the balancer's, in milliseconds. */
let skew = 0;
export function clockIs(now) {
  skew = now - Date.now();
}
export const now = () => Date.now() + skew;

const FULL = { dateStyle: "medium", timeStyle: "medium" };
export const exact = (at) => new Date(at).toLocaleString(undefined, FULL);
export const clock = (at) => new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

const times = new Set();
/** The moment that all shown times are relative to: the same one, or they would contradict each other. */
let shown = null;

/** A time as how long ago it is, kept up; the exact one on hover. `form` makes the text of the seconds since. */
export function ago(at, form = (seconds) => `${length(seconds)} ago`) {
  const node = h("time", { datetime: new Date(at).toISOString(), title: exact(at) });
  node.show = () => setText(node, form(((shown ?? now()) - at) / 1000));
  node.show();
  times.add(new WeakRef(node));
  return node;
}

setInterval(() => {
  shown = now();
  for (const reference of times) {
    const node = reference.deref();
    if (node?.isConnected) node.show();
    else if (!node) times.delete(reference);
  }
}, 1000);

/** An address without what all addresses have. */
export const host = (url) => url.replace(/^https?:\/\//, "");

/** The name of a worker in addresses of pages: base64, URL-safe. */
export function nameOf(url) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(url));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
