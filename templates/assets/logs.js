// The logs: the balancer's, and each worker's.

import { byId, h, island, parameters, setText, toast } from "./dom.js";
import { host } from "./format.js";
import { listen } from "./live.js";
import { LogView, followWorker } from "./log_view.js";

const address = parameters();
const source = byId("source");
const controls = { level: byId("level"), q: byId("text"), task: byId("task") };
const pause = byId("pause");

source.append(...island().workers.map(({ url, name }) => h("option", { value: name }, host(url))));
source.value = address.get("source");
if (source.selectedIndex < 0) source.value = "";
for (const [name, control] of Object.entries(controls)) control.value = address.get(name);

const view = new LogView(byId("log"));
let stop = () => {};
let whole = null;

view.onchange = ({ kept, held }) => setText(byId("log-note"), held ? `Paused · ${held} new` : `${kept} lines`);

function filter() {
  view.filter = { level: controls.level.value, text: controls.q.value.trim(), task: controls.task.value.trim() };
}

function follow() {
  stop();
  stop = () => {};
  view.replace(source.value ? [] : (whole ?? []));
  if (source.value) stop = followWorker(source.value, view, (problem) => problem && setText(byId("log-note"), problem));
}

for (const [name, control] of Object.entries(controls)) {
  control.addEventListener("input", () => {
    address.set(name, control.value.trim());
    filter();
  });
}
source.addEventListener("change", () => {
  address.set("source", source.value);
  follow();
});
pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", String(paused));
  setText(pause, paused ? "Resume" : "Pause");
  view.paused = paused;
});
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(view.text);
    toast("Copied");
  } catch {
    toast("The browser lets nothing be copied here (it asks for https).", true);
  }
});

listen("of=logs", {
  logs({ full, missed, lines }) {
    // Kept beside the view, which may show a worker's.
    whole = full ? lines : [...(whole ?? []), ...lines].slice(-5000);
    if (source.value) return;
    if (full) view.replace(lines);
    else view.add(lines, missed);
  },
});

filter();
follow();
