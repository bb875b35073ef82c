// The list of tasks. What is asked for stands in the page's address.

import { get } from "./actions.js";
import { byId, fill, h, keyed, mayAct, setText } from "./dom.js";
import { clockIs, count, now } from "./format.js";
import { listen } from "./live.js";
import { ACTIONS, actOnAll, confirmed } from "./task_actions.js";
import { STATES, href, laneOf, row, short } from "./task_view.js";

const PAGE = 50;
const SPANS = { "5m": 300, "1h": 3600, "24h": 86400 };
const TEXTS = ["q", "function", "tenant", "worker"];
const FILTERS = [...TEXTS, "state", "group", "contract", "within", "since", "until"];
/** Between two looks, in milliseconds: at most, and if nothing seems to happen. */
const SOON = 900;
const IDLE = 5000;
/** Actions that are under way at once. */
const AT_ONCE = 4;

const form = byId("filters");
let asked = new URLSearchParams(location.search);
let tasks = [];
let next = null;
let lanes = [];
/** The pages before this one, by their cursors. */
let trail = [];
const picked = new Map();
/** Whether an action is for all that match, not only for those picked. */
let everything = false;
/** Where the list stays while somebody reads or picks: new tasks are not put above. */
let pinned = null;
let loading = null;
let last = { at: 0, took: 0, lanes: "" };

// What is asked for

function filter() {
  const found = {};
  for (const name of FILTERS) if (asked.get(name)) found[name] = asked.get(name);
  const span = SPANS[found.within];
  if (span) found.since = new Date(now() - span * 1000).toISOString();
  else if (found.within !== "between") delete found.since;
  if (found.within !== "between") delete found.until;
  for (const name of ["since", "until"]) if (found[name]) found[name] = new Date(found[name]).toISOString();
  delete found.within;
  return found;
}

function go(changes, step = false) {
  for (const [name, value] of Object.entries(changes)) {
    if (value) asked.set(name, value);
    else asked.delete(name);
  }
  const text = asked.toString();
  history[step ? "pushState" : "replaceState"]({ trail }, "", text ? `?${text}` : location.pathname);
  pinned = null;
  unpick();
  load();
}

function narrow(changes) {
  trail = [];
  go({ ...changes, cursor: "" });
}

function showForm() {
  for (const name of [...TEXTS, "within", "since", "until"]) {
    const control = form.elements[name];
    if (control !== document.activeElement) control.value = asked.get(name) ?? "";
  }
  const more = ["function", "tenant", "worker"].some((name) => asked.get(name));
  if (more) showMore(true);
  byId("between").hidden = asked.get("within") !== "between";
}

function showMore(shown) {
  byId("more-filters").hidden = !shown;
  byId("more").setAttribute("aria-expanded", String(shown));
}

form.addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", () => showMore(byId("more-filters").hidden));
let typing = null;
form.addEventListener("input", ({ target }) => {
  clearTimeout(typing);
  if (target.name === "lane") {
    const [group, contract] = target.value ? JSON.parse(target.value) : ["", ""];
    narrow({ group, contract: String(contract) });
  } else if (TEXTS.includes(target.name)) {
    typing = setTimeout(() => narrow({ [target.name]: target.value.trim() }), 250);
  } else if (target.name) {
    narrow(target.name === "within" && target.value !== "between" ? { within: target.value, since: "", until: "" } : { [target.name]: target.value });
    byId("between").hidden = asked.get("within") !== "between";
  }
});
window.addEventListener("popstate", ({ state }) => {
  asked = new URLSearchParams(location.search);
  trail = state?.trail ?? [];
  pinned = null;
  unpick();
  showForm();
  load();
});

function chips() {
  const chosen = new Set((asked.get("state") ?? "").split(",").filter(Boolean));
  const others = [...TEXTS, "within"].some((name) => asked.get(name));
  const inLane = lanes.filter(({ group, contract }) => !asked.get("group") || (group === asked.get("group") && String(contract) === asked.get("contract")));
  // Counts are of whole lanes: beside other filters they would mislead.
  const of = (state) => (others || lanes.length === 0 ? null : h("b", {}, count(inLane.reduce((sum, lane) => sum + lane[state], 0))));
  fill(byId("states"), [[...chosen], others, inLane], () => {
    const held = byId("states").contains(document.activeElement) && document.activeElement.dataset.state;
    const chip = (state) => h("button", { type: "button", "data-state": state || "all", "aria-pressed": String(state ? chosen.has(state) : chosen.size === 0), onclick: () => toggle(state) }, state || "All", state ? of(state) : null);
    const toggle = (state) => {
      if (!state) chosen.clear();
      else if (!chosen.delete(state)) chosen.add(state);
      narrow({ state: STATES.filter((some) => chosen.has(some)).join(",") });
    };
    if (held) queueMicrotask(() => byId("states").querySelector(`[data-state="${held}"]`)?.focus());
    return ["", ...STATES].map(chip);
  });
}

function laneChoice() {
  const control = form.elements.lane;
  const chosen = asked.get("group") ? JSON.stringify([asked.get("group"), Number(asked.get("contract"))]) : "";
  const all = lanes.map(({ group, contract }) => [JSON.stringify([group, contract]), `${group} / ${contract}`]);
  if (chosen && !all.some(([value]) => value === chosen)) all.push([chosen, `${asked.get("group")} / ${asked.get("contract")}`]);
  fill(control, all, () => [h("option", { value: "" }, "All lanes"), ...all.map(([value, text]) => h("option", { value }, text))]);
  if (control !== document.activeElement) control.value = chosen;
}

// The list

/** The cursor of a page that begins with that task. */
const upTo = (id) => (BigInt(`0x${id.replaceAll("-", "")}`) + 1n).toString(16).padStart(32, "0").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

const path = (extra) => `/tasks?${new URLSearchParams({ ...filter(), ...extra })}`;

async function load() {
  const mine = {};
  loading = mine;
  const began = performance.now();
  const cursor = asked.get("cursor") || (pinned && upTo(pinned));
  exports();
  try {
    const found = await get(path({ limit: PAGE, ...(cursor ? { cursor } : {}) }));
    const newest = pinned && !asked.get("cursor") ? (await get(path({ limit: 1 }))).tasks[0] : null;
    // Another one has been asked for meanwhile.
    if (loading !== mine) return;
    ({ tasks, next } = found);
    byId("newer").hidden = !newest || newest.taskId <= pinned;
    setText(byId("note"), summary());
  } catch (error) {
    if (loading !== mine) return;
    setText(byId("note"), error.message);
  }
  loading = null;
  last = { ...last, at: Date.now(), took: performance.now() - began };
  show();
}

function summary() {
  if (tasks.length === 0) return "";
  const page = trail.length > 0 ? `page ${trail.length + 1}` : asked.get("cursor") ? "further down" : next ? "the newest" : "all that match";
  return `${tasks.length} task${tasks.length === 1 ? "" : "s"}, ${page}`;
}

let body = null;
const rows = new Map();

function show() {
  byId("list").setAttribute("aria-busy", "false");
  if (tasks.length === 0) {
    body = null;
    rows.clear();
    const filtered = FILTERS.some((name) => asked.get(name));
    byId("rows").shownKey = null;
    fill(byId("rows"), ["none", filtered], () => nothing(filtered));
  } else {
    if (!body?.isConnected) table();
    keyed(body, tasks, ({ taskId }) => taskId, (task) => {
      const made = row(task, mayAct() && pick);
      rows.set(task.taskId, made);
      return made;
    });
  }
  const present = new Set(tasks.map(({ taskId }) => taskId));
  for (const id of rows.keys()) if (!present.has(id)) rows.delete(id);
  for (const id of picked.keys()) if (!present.has(id)) picked.delete(id);
  for (const task of tasks) if (picked.has(task.taskId)) picked.set(task.taskId, task);
  bulk();
  paging();
  chips();
}

function table() {
  const heads = [["State"], ["Task"], ["Lane", "wide"], ["Worker", "wide"], ["Submitted", "num"], ["Took", "num"], ["Runs", "num wide"]];
  const all = mayAct() && h("th", { scope: "col", class: "pick" }, h("input", { type: "checkbox", id: "all", "aria-label": "Select all on this page", onchange: ({ target }) => pickAll(target.checked) }));
  body = h("tbody");
  rows.clear();
  byId("rows").shownKey = null;
  byId("rows").replaceChildren(
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of tasks" }, h("table", { class: "compact tasks" }, h("thead", {}, h("tr", {}, all, heads.map(([name, style]) => h("th", { scope: "col", class: style ?? null }, name)))), body)),
  );
}

function nothing(filtered) {
  if (filtered || asked.get("cursor")) {
    const clear = () => {
      form.reset();
      narrow(Object.fromEntries(FILTERS.map((name) => [name, ""])));
      showForm();
    };
    return h("div", { class: "empty" }, h("strong", {}, "No task matches"), h("button", { type: "button", onclick: clear }, "Clear the filters"));
  }
  return h("div", { class: "empty" }, h("strong", {}, "No tasks yet"), h("p", {}, "Those that clients submit appear here at once."), mayAct() && h("a", { class: "button", href: "/dashboard/tasks/new" }, "Submit one"));
}

function paging() {
  const cursor = asked.get("cursor") ?? "";
  byId("paging").hidden = !cursor && !next;
  fill(byId("paging"), [cursor, next, trail], () => {
    const back = () => {
      const before = trail.at(-1) ?? "";
      trail = trail.slice(0, -1);
      go({ cursor: before }, true);
    };
    const on = () => {
      trail = [...trail, cursor];
      go({ cursor: next }, true);
      byId("list").scrollIntoView({ block: "start" });
    };
    return [
      h("button", { type: "button", disabled: !cursor, onclick: back }, trail.length > 1 || !cursor ? "Newer" : "Newest"),
      h("button", { type: "button", disabled: !next, onclick: on }, "Older"),
    ];
  });
}

function exports() {
  for (const format of ["ndjson", "csv"]) byId(`as-${format}`).href = `/dashboard/api/tasks/export?${new URLSearchParams({ ...filter(), format })}`;
}

byId("newer").addEventListener("click", () => {
  unpick();
  pinned = null;
  window.scrollTo({ top: 0 });
  load();
});

/** Reads on where the reader is, or from the top. */
function pin() {
  const reads = picked.size > 0 || byId("list").getBoundingClientRect().top < 0 || byId("rows").firstElementChild?.scrollTop > 0;
  if (reads) pinned ??= tasks[0]?.taskId ?? null;
  else pinned = null;
}

// Actions on many

function pick(id, on) {
  if (on) picked.set(id, tasks.find(({ taskId }) => taskId === id));
  else picked.delete(id);
  everything = false;
  pin();
  bulk();
}

function pickAll(on) {
  for (const task of tasks) {
    if (on) picked.set(task.taskId, task);
    else picked.delete(task.taskId);
  }
  everything = false;
  pin();
  bulk();
}

function unpick() {
  picked.clear();
  everything = false;
  bulk();
}

function bulk() {
  for (const [id, { box }] of rows) if (box) box.checked = picked.has(id);
  const all = byId("all");
  if (all) {
    all.checked = picked.size > 0 && picked.size === tasks.length;
    all.indeterminate = picked.size > 0 && picked.size < tasks.length;
  }
  byId("bulk").hidden = picked.size === 0;
  const whole = picked.size === tasks.length && (next || asked.get("cursor"));
  fill(byId("bulk"), [picked.size, everything, whole], () => [
    h("strong", {}, everything ? "All that match" : `${picked.size} selected`),
    Object.entries(ACTIONS).map(([action, { name }]) => h("button", { type: "button", class: "small", "data-action": action, onclick: () => (everything ? toAll(action) : toEach(action)) }, name)),
    whole && !everything && h("button", { type: "button", class: "ghost", onclick: () => { everything = true; bulk(); } }, "Select all that match the filter"),
    h("button", { type: "button", class: "ghost", onclick: unpick }, "Clear"),
  ]);
}

async function toEach(action) {
  const { name, done, one, asks } = ACTIONS[action];
  const chosen = [...picked.values()];
  if (asks && !(await confirmed(`${name} ${chosen.length} task${chosen.length === 1 ? "" : "s"}?`, name))) return;
  const outcomes = new Map(chosen.map((task) => [task, null]));
  const waiting = [...chosen];
  const work = async () => {
    for (let task = waiting.shift(); task; task = waiting.shift()) {
      const outcome = await one(task).then(() => ({ text: done }), (error) => ({ text: error.message, bad: true }));
      outcomes.set(task, outcome);
      report(name, outcomes);
    }
  };
  report(name, outcomes);
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  unpick();
  load();
}

function report(name, outcomes) {
  const all = [...outcomes];
  const good = all.filter(([, outcome]) => outcome && !outcome.bad).length;
  const bad = all.filter(([, outcome]) => outcome?.bad).length;
  const item = ([task, outcome]) => h("li", {}, h("a", { href: href(task.taskId) }, task.function), " ", h("span", { class: "mono faint", title: task.taskId }, short(task.taskId)), " ", h("span", { class: outcome?.bad ? "problem" : "soft" }, outcome?.text ?? "…"));
  outcome(`${name}: ${good} of ${all.length} done${bad ? `, ${bad} not` : ""}`, h("ul", {}, all.map(item)));
}

function outcome(title, about) {
  const section = byId("outcomes");
  section.hidden = false;
  section.replaceChildren(
    h("div", { class: "payload-head" }, h("h2", { id: "outcomes-title" }, title), h("button", { type: "button", class: "ghost", onclick: () => { section.hidden = true; } }, "Close")),
    about,
  );
}

async function toAll(action) {
  const { name } = ACTIONS[action];
  try {
    const wanted = filter();
    const { matched, skipped } = await actOnAll(action, wanted, true);
    const question = `${name} ${count(matched - skipped)} of the ${count(matched)} tasks that match?`;
    if (!(await confirmed(question, name))) return;
    const found = await actOnAll(action, wanted);
    outcome(`${name}: ${found.done} of ${found.matched} done`, h("p", { class: found.error ? "problem" : "soft" }, found.error ?? (found.skipped ? `${found.skipped} stood so that it means nothing to them.` : "")));
  } catch (error) {
    outcome(`${name}: nothing done`, h("p", { class: "problem" }, error.message));
  }
  unpick();
  load();
}

// Live

history.replaceState({ trail }, "");
showForm();
load();
listen("of=overview", {
  overview(overview) {
    clockIs(overview.now);
    lanes = overview.lanes ?? [];
    laneChoice();
    chips();
    const text = JSON.stringify(lanes.map(({ queued, delayed, running, completed, failed, cancelled }) => [queued, delayed, running, completed, failed, cancelled]));
    const since = Date.now() - last.at;
    // A list that takes long to make is made less often.
    const wait = Math.max(text === last.lanes ? IDLE : SOON, last.took * 10);
    if (loading || document.hidden || since < wait) return;
    last.lanes = text;
    pin();
    load();
  },
});
