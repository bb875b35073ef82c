// One worker.

import { get } from "./actions.js";
import { byId, fill, h, island, setText } from "./dom.js";
import { ago, millis, nameOf, now, percent } from "./format.js";
import { listen } from "./live.js";
import { LogView, followWorker } from "./log_view.js";
import { tryIt } from "./try_it.js";
import { age, bar, heat, laneOf, namesOf, taken, tags, word } from "./worker_view.js";

const { name, worker: first, functions } = island();
const TONES = { completed: "ok", failed: "bad", cancelled: "off", running: "info", queued: "idle", delayed: "idle" };

function show(worker) {
  if (worker.offer !== first.offer) {
    // What it can do has changed, and with it most of the page.
    location.reload();
    return;
  }
  fill(byId("status"), [worker.status, worker.silentSince], () => [
    h("span", { class: `tone ${worker.tone}` }, word(worker.status)),
    worker.silentSince && h("span", { class: "soft" }, " · last seen ", ago(worker.silentSince * 1000)),
  ]);
  fill(byId("why"), [worker.why, worker.tone], () => worker.why && h("p", { class: `why ${worker.tone}` }, worker.why));
  facts(worker);
  differences(worker.differences ?? []);
}

function facts(worker) {
  fill(byId("facts"), worker, () => {
    const fact = (title, value, level = "") => h("div", {}, h("dt", {}, title), h("dd", { class: level }, value));
    const slots = worker.slots;
    return [
      h(
        "dl",
        { class: "facts" },
        slots && h("div", { class: "span slots" }, h("dt", {}, "Slots"), h("dd", {}, h("p", {}, h("span", {}, h("b", {}, taken(worker)), ` of ${slots.limit} in use, ${worker.inFlight} by this balancer`), h("span", {}, `${slots.queue} in its own queue`)), bar(slots, worker.inFlight))),
        fact("Lane", laneOf(worker) || "none yet"),
        fact("CPU load", percent(worker.cpu), heat(worker.cpu, 80, 120)),
        fact("Memory", percent(worker.memory), heat(worker.memory, 85, 95)),
        fact("Latency", millis(worker.latencyMs)),
        fact("Failures of late", percent(worker.failures), heat(worker.failures, 10, 40)),
        fact("Up for", age(worker.started)),
        (worker.tags.length > 0 || worker.services.length > 0) && h("div", { class: "span" }, h("dt", {}, "Tags and services"), h("dd", { class: "tags" }, tags(worker))),
      ),
    ];
  });
}

function differences(all) {
  byId("differences").hidden = all.length === 0;
  fill(byId("difference-list"), all, () =>
    all.map(({ name: title, here, lane }) => {
      const side = (heading, own, other, style) =>
        h("div", {}, h("p", {}, heading), own === null ? h("p", {}, "Not there") : h("pre", {}, lines(own, other ?? "", style)));
      return h("div", { class: "diff" }, h("h3", {}, `${title}()`), side("This worker", here, lane, "minus"), side("Its lane", lane, here, "plus"));
    }),
  );
}

/** Lines, those that the other side does not have marked. */
function lines(own, other, style) {
  const theirs = new Set(other.split("\n").map((line) => line.trim().replace(/,$/, "")));
  return own.split("\n").map((line) => h("span", { class: theirs.has(line.trim().replace(/,$/, "")) ? "line" : `line ${style}` }, line));
}

function published() {
  const all = namesOf(functions);
  const parameter = ([title, about]) => {
    const preset = about?.default === undefined ? "" : `, else ${JSON.stringify(about.default)}`;
    return h("li", {}, h("b", {}, title), ` ${about?.type ?? "any"}${about?.required ? ", required" : ""}${preset}`);
  };
  const one = ({ name: title, params }) => {
    const parameters = Object.entries(params ?? {});
    return h("div", { class: "function" }, h("h3", {}, `${title}()`), h("ul", {}, parameters.length ? parameters.map(parameter) : h("li", {}, "no parameters")));
  };
  byId("functions").replaceChildren(...(all.length ? all.map(one) : [h("p", { class: "soft" }, "It publishes none.")]));
  const form = byId("try");
  if (form) tryIt(form, byId("try-result"), first, all);
}

// Its tasks: asked for again when it looks as if there were news, and now and then.

let asked = 0;
let busy = null;
/** Where very many tasks are kept, to find those of one worker takes its time: then it is asked for less often. */
let pause = 2500;

async function tasks() {
  asked = now();
  try {
    const { tasks: found } = await get(`/tasks?worker=${encodeURIComponent(first.url)}&limit=15`);
    pause = Math.max(2500, (now() - asked) * 50);
    setText(byId("tasks-note"), "");
    fill(byId("tasks"), found, () => (found.length ? table(found) : h("p", { class: "empty" }, "It has not run a task of this balancer yet.")));
  } catch (error) {
    setText(byId("tasks-note"), error.message);
  }
}

function table(found) {
  const heads = ["Task", "Function", "State", "Mode", "Submitted", "Took", "Runs"];
  const line = (task) => {
    const run = task.attempts.findLast(({ worker }) => worker === first.url);
    const took = run?.endedAt ? millis(Date.parse(run.endedAt) - Date.parse(run.startedAt)) : "–";
    return h(
      "tr",
      {},
      h("td", { class: "mono" }, h("a", { href: `/dashboard/tasks/${task.taskId}`, title: task.taskId }, `…${task.taskId.slice(-8)}`)),
      h("td", {}, task.function),
      h("td", {}, h("span", { class: `tone ${TONES[task.state]}`, title: task.error ?? null }, task.state)),
      h("td", {}, task.mode),
      h("td", {}, ago(Date.parse(task.createdAt))),
      h("td", { class: "num" }, took),
      h("td", { class: "num" }, task.attempts.length),
    );
  };
  const head = heads.map((title, at) => h("th", { scope: "col", class: at > 4 ? "num" : null }, title));
  return h("table", { class: "compact" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, found.map(line)));
}

setInterval(() => {
  if (!document.hidden && (busy || now() - asked > 10000) && now() - asked > pause) {
    busy = null;
    tasks();
  }
}, 500);

const log = new LogView(byId("log"), "It has logged nothing yet.");
followWorker(name ?? nameOf(first.url), log, (problem) => problem && log.replace([problem]));
published();
show(first);
tasks();
listen(`worker=${name}`, {
  worker(worker) {
    busy ??= true;
    show(worker);
  },
});
