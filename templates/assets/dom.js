// Small helpers for building and changing the page.

const SVG = "http://www.w3.org/2000/svg";

/** The data that came with the page. */
export function island() {
  const element = document.getElementById("island");
  return element ? JSON.parse(element.textContent) : {};
}

export const byId = (id) => document.getElementById(id);

/** Whether this session may act. */
export const mayAct = () => "mayAct" in document.body.dataset;

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element. Texts are texts: nothing in them is markup. */
export const h = (name, attributes, ...children) => build(document.createElement(name), attributes, children);

/** An SVG element. */
export const s = (name, attributes, ...children) => build(document.createElementNS(SVG, name), attributes, children);

/** Sets a text if it is another one, so that selections and readers are not disturbed. */
export function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

/** Replaces children only if what they show has changed; `key` says what that is. */
export function fill(element, key, make) {
  const text = JSON.stringify(key);
  if (element.shownKey === text) return;
  element.shownKey = text;
  element.replaceChildren(...[make()].flat(Infinity).filter(Boolean));
}

/** Keeps one child an item, in their order. `make` gives `{ node, update }`. */
export function keyed(parent, items, key, make) {
  const known = (parent.children_by_key ??= new Map());
  const present = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    present.add(name);
    let child = known.get(name);
    if (!child) {
      child = make(item);
      known.set(name, child);
    }
    child.update?.(item);
    if (child.node === place) place = place.nextElementSibling;
    else parent.insertBefore(child.node, place);
  }
  for (const [name, child] of known) {
    if (!present.has(name)) {
      child.node.remove();
      known.delete(name);
    }
  }
}

/** A group of buttons of which one is chosen, moved through by arrow keys. */
export function choice(group, attribute, chosen) {
  const buttons = [...group.querySelectorAll("button")];
  const show = (value) => {
    for (const button of buttons) {
      const is = button.dataset[attribute] === value;
      button.setAttribute("aria-checked", String(is));
      button.tabIndex = is ? 0 : -1;
    }
  };
  buttons.forEach((button, at) => {
    button.addEventListener("click", () => {
      show(button.dataset[attribute]);
      chosen(button.dataset[attribute]);
    });
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = buttons[(at + step + buttons.length) % buttons.length];
      next.focus();
      next.click();
    });
  });
  return show;
}

/** A message that goes away by itself. */
export function toast(text, bad = false) {
  const node = h("div", { class: bad ? "toast bad" : "toast" }, text);
  byId("toasts").append(node);
  setTimeout(() => node.remove(), bad ? 9000 : 4000);
}

/** What the page's address says, and a way to change it without loading anything. */
export function parameters() {
  const query = new URLSearchParams(location.search);
  return {
    get: (name) => query.get(name) ?? "",
    set(name, value) {
      if (value) query.set(name, value);
      else query.delete(name);
      const text = query.toString();
      history.replaceState(null, "", text ? `?${text}` : location.pathname);
    },
  };
}
