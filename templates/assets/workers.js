// All workers: cards while they are few, a table when they are many, a hundred at a time.

import { byId, choice, fill, h, keyed, parameters, setText } from "./dom.js";
import { listen } from "./live.js";
import { HEADS, card, laneOf, namesOf, row, taken, word } from "./worker_view.js";

/** Beyond so many a table says more than cards. */
const FEW = 30;
const PAGE = 100;

const address = parameters();
const workers = new Map();
const offers = new Map();
let at = 0;
let view = address.get("view");
let status = address.get("status");

const search = byId("search");
const lane = byId("lane");
const sort = byId("sort");
search.value = address.get("q");
sort.value = address.get("sort");

const ORDERS = {
  trouble: (worker) => ({ bad: 0, warn: 1, off: 2, ok: 3 })[worker.tone],
  busy: (worker) => -(taken(worker) + (worker.slots?.queue ?? 0)) / Math.max(worker.slots?.limit ?? 0, 1),
  latency: (worker) => -(worker.latencyMs ?? -1),
  failures: (worker) => -worker.failures,
};

function filtered() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...workers.values()].filter((worker) => {
    if (lane.value && laneOf(worker) !== lane.value) return false;
    if (words.length === 0) return true;
    const functions = namesOf(offers.get(worker.offer)).map(({ name }) => name);
    const text = [worker.url, laneOf(worker), ...worker.tags, ...functions].join(" ").toLowerCase();
    return words.every((some) => text.includes(some));
  });
  const order = ORDERS[sort.value];
  if (order) found.sort((left, right) => order(left) - order(right));
  return found;
}

let list = null;
let shape = "";

function container(wanted) {
  if (shape === wanted && list?.isConnected) return list;
  shape = wanted;
  const section = byId("list");
  section.shownKey = null;
  if (wanted === "cards") {
    list = h("div", { class: "cards" });
    section.replaceChildren(list);
  } else {
    list = h("tbody");
    const heads = HEADS.map((name, place) => h("th", { scope: "col", class: place > 3 ? "num" : null }, name));
    const table = h("table", { class: "compact" }, h("thead", {}, h("tr", {}, heads)), list);
    section.replaceChildren(h("div", { class: "panel table-panel" }, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of workers" }, table)));
  }
  return list;
}

function show() {
  const inLane = filtered();
  statuses(inLane);
  const found = status ? inLane.filter((worker) => worker.status === status) : inLane;
  const shown = view || (workers.size > FEW ? "table" : "cards");
  showView(shown);
  byId("filters").hidden = workers.size === 0;
  byId("first-run").hidden = workers.size > 0;
  setText(byId("count"), workers.size ? `${workers.size} listed` : "");
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  at = Math.min(at, pages - 1);
  if (found.length === 0) {
    list = null;
    shape = "";
    fill(byId("list"), [workers.size > 0], () =>
      workers.size > 0 && h("div", { class: "panel empty" }, h("strong", {}, "No worker matches"), h("button", { type: "button", onclick: clear }, "Clear the filters")),
    );
  } else {
    const make = shown === "cards" ? (worker) => card(worker, offers) : row;
    keyed(container(shown), found.slice(at * PAGE, (at + 1) * PAGE), (worker) => worker.id, make);
  }
  paging(found.length, pages);
  byId("list").setAttribute("aria-busy", "false");
}

function paging(total, pages) {
  const nav = byId("paging");
  nav.hidden = pages === 1;
  fill(nav, [at, pages, total], () => {
    const go = (step) => () => {
      at += step;
      show();
      byId("list").scrollIntoView({ block: "start" });
    };
    const from = at * PAGE + 1;
    return [
      h("button", { type: "button", disabled: at === 0, onclick: go(-1) }, "Previous"),
      h("span", {}, `${from}–${Math.min(total, from + PAGE - 1)} of ${total}`),
      h("button", { type: "button", disabled: at === pages - 1, onclick: go(1) }, "Next"),
    ];
  });
}

function statuses(found) {
  const counts = new Map();
  for (const worker of found) counts.set(worker.status, (counts.get(worker.status) ?? 0) + 1);
  if (status && !counts.has(status)) counts.set(status, 0);
  const all = [...counts].sort(([left], [right]) => left.localeCompare(right));
  fill(byId("statuses"), [all, status, found.length], () => {
    const chip = (name, text, number) =>
      h("button", { type: "button", "aria-pressed": String(status === name), onclick: () => setStatus(name) }, text, h("b", {}, number));
    return [chip("", "All", found.length), ...all.map(([name, number]) => chip(name, word(name), number))];
  });
}

function setStatus(name) {
  status = name;
  address.set("status", name);
  at = 0;
  show();
  byId("statuses").querySelector('[aria-pressed="true"]')?.focus();
}

function clear() {
  search.value = lane.value = sort.value = "";
  for (const name of ["q", "lane", "sort", "status"]) address.set(name, "");
  status = "";
  show();
}

const showView = choice(byId("views"), "view", (chosen) => {
  view = chosen;
  address.set("view", chosen);
  show();
});

for (const [control, name] of [[search, "q"], [lane, "lane"], [sort, "sort"]]) {
  control.addEventListener("input", () => {
    address.set(name, control.value);
    at = 0;
    show();
  });
}

function lanes() {
  const names = [...new Set([...workers.values()].map(laneOf).filter(Boolean))].sort();
  const chosen = lane.value || address.get("lane");
  fill(lane, names, () => [h("option", { value: "" }, "All lanes"), ...names.map((name) => h("option", { value: name }, name))]);
  lane.value = names.includes(chosen) ? chosen : "";
}

listen("of=workers", {
  workers({ full, rows, gone, offers: lists }) {
    if (full) workers.clear();
    for (const [name, functions] of Object.entries(lists)) offers.set(name, functions);
    for (const worker of rows) workers.set(worker.id, worker);
    for (const id of gone) workers.delete(id);
    lanes();
    show();
  },
});
