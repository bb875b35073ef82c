// All queues.

import { byId, fill, h, mayAct, parameters, setText, toast } from "./dom.js";
import { ask, follow, queuePath } from "./bull_api.js";
import { legend, queueLink, share } from "./bull_view.js";

const address = parameters();
const board = byId("board");
const note = h("p", { class: "soft" });
const search = h("input", { type: "search", placeholder: "Queue", "aria-label": "Search queues", spellcheck: "false", value: address.get("q") });
const sort = h("select", { "aria-label": "Order" }, ["name", "failed", "waiting", "active", "delayed", "completed"].map((by) => h("option", { value: by }, by === "name" ? "By name" : `Most ${by} first`)));
sort.value = address.get("sort") || "name";
const list = h("div", { class: "stack", id: "queues" });
const buttons = mayAct() && h("div", { class: "row" }, all("pause", "Pause all"), all("resume", "Resume all"));
let queues = null;

board.removeAttribute("aria-busy");
board.replaceChildren(h("div", { class: "head" }, h("h1", {}, "Queues"), note), h("div", { class: "toolbar" }, search, sort, ...(buttons ? [buttons] : [])), list);

search.addEventListener("input", () => {
  address.set("q", search.value.trim());
  draw();
});
sort.addEventListener("change", () => {
  address.set("sort", sort.value === "name" ? "" : sort.value);
  draw();
});

function all(what, text) {
  const node = h("button", { type: "button" }, text);
  node.addEventListener("click", () => doIt(node, `/queues/${what}`, `${text}: done`));
  return node;
}

async function doIt(node, path, done) {
  node.disabled = true;
  try {
    await ask(path, "PUT");
    toast(done);
    await now();
  } catch (error) {
    toast(error.message, true);
  }
  node.disabled = false;
}

const waiting = ({ waiting, prioritized }) => waiting + prioritized;

function draw() {
  if (!queues) return;
  const text = search.value.trim().toLowerCase();
  const shown = queues.filter(({ name, description }) => `${name} ${description}`.toLowerCase().includes(text));
  const by = (queue) => (sort.value === "waiting" ? waiting(queue.counts) : queue.counts[sort.value]);
  if (sort.value !== "name") shown.sort((a, b) => by(b) - by(a));
  setText(note, `${queues.length} ${queues.length === 1 ? "queue" : "queues"}`);
  fill(list, shown, () => {
    if (shown.length > 0) return shown.map(card);
    return h("div", { class: "panel empty" }, queues.length ? h("strong", {}, "No queue has that in its name") : [h("strong", {}, "No queues yet"), h("p", {}, "A queue appears with the first worker or task of its lane. ", h("a", { href: "/dashboard/workers" }, "Add a worker"))]);
  });
}

function card(queue) {
  const { name, isPaused } = queue;
  const button = mayAct() && h("button", { type: "button", class: "small", "aria-label": `${isPaused ? "Resume" : "Pause"} ${name}` }, isPaused ? "Resume" : "Pause");
  if (button) button.addEventListener("click", () => doIt(button, queuePath(name, isPaused ? "/resume" : "/pause"), `${name} ${isPaused ? "resumed" : "paused"}`));
  return h(
    "article",
    { class: "panel queue-card", "data-queue": name },
    h(
      "div",
      { class: "top" },
      h("div", {}, h("a", { href: queueLink(name), class: "mono" }, name), h("div", { class: "soft" }, queue.description)),
      h("div", { class: "row" }, isPaused ? h("span", { class: "tone info" }, "Paused") : null, queue.hasWorkers ? null : h("span", { class: "tone warn" }, "No workers"), button || null),
    ),
    share(queue.counts),
    legend(queue.counts),
  );
}

const now = follow(async () => {
  try {
    ({ queues } = await ask("/queues"));
    draw();
  } catch (error) {
    setText(note, error.message);
  }
});
