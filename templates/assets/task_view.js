// A task, as a row and as parts of its page.

import { h, s, setClass, setText, toast } from "./dom.js";
import { ago, clock, exact, host, length, millis, nameOf } from "./format.js";

export const STATES = ["queued", "delayed", "running", "completed", "failed", "cancelled"];
export const TONES = { completed: "ok", failed: "bad", cancelled: "off", running: "info", queued: "idle", delayed: "idle" };
const OUTCOMES = { completed: "ok", failed: "bad", disconnected: "bad", timed_out: "bad", cancelled: "off", interrupted: "off" };
const REASONS = {
  no_worker: "no worker serves its lane",
  no_free_slot: "all slots are busy",
  policy_wait: "the policy told it to wait",
  paused: "its lane is paused",
  delayed: "its time has not come",
  backoff: "it waits for its next attempt",
};
/** Characters of a text that are shown at once. */
const SHOWN = 8000;

export const hasEnded = (task) => ["completed", "failed", "cancelled"].includes(task.state);
export const laneOf = (task) => `${task.group} / ${task.contract}`;
export const href = (id) => `/dashboard/tasks/${id}`;
export const reason = (task) => task.waiting && (REASONS[task.waiting.reason] ?? task.waiting.reason.replaceAll("_", " "));
export const words = (text) => text.replaceAll("_", " ");

/** The end of an id: ids of one moment begin alike. */
export const short = (id) => `…${id.slice(-8)}`;

export function took(task) {
  if (hasEnded(task)) return millis(Date.parse(task.finishedAt) - Date.parse(task.createdAt));
  const run = task.attempts.at(-1);
  if (task.state === "running" && run && !run.endedAt) return ago(Date.parse(run.startedAt), length);
  return "–";
}

/** A row of the list; `picked` is told when its box is ticked, and absent where nobody may act. */
export function row(first, picked) {
  const box = picked && h("input", { type: "checkbox", "aria-label": `Select ${first.function} ${short(first.taskId)}`, onchange: () => picked(first.taskId, box.checked) });
  const state = h("span");
  const worker = h("td", { class: "wide" });
  const length = h("td", { class: "num" });
  const runs = h("td", { class: "num wide" });
  const node = h(
    "tr",
    { "data-task": first.taskId },
    box && h("td", { class: "pick" }, box),
    h("td", {}, state),
    h("td", { class: "what" }, h("a", { href: href(first.taskId) }, first.function), " ", h("span", { class: "mono faint", title: first.taskId }, short(first.taskId))),
    h("td", { class: "wide" }, laneOf(first)),
    worker,
    h("td", { class: "num" }, ago(Date.parse(first.createdAt))),
    length,
    runs,
  );
  let shown = "";
  const update = (task) => {
    const key = JSON.stringify([task.state, task.attempts.length, task.waiting?.reason, task.finishedAt]);
    if (key === shown) return;
    shown = key;
    setClass(state, `tone ${TONES[task.state]}`);
    setText(state, task.state);
    state.title = task.error ?? reason(task) ?? "";
    const last = task.attempts.at(-1);
    setText(worker, last ? host(last.worker) : "–");
    length.replaceChildren(took(task));
    setText(runs, task.attempts.length);
  };
  return { node, update, box };
}

/** The parts of a task's life, in order; times in milliseconds. */
function parts(task, now) {
  const all = [];
  let at = Date.parse(task.createdAt);
  const wait = (to, about) => to > at && all.push({ kind: "wait", name: about, from: at, to });
  for (const attempt of task.attempts) {
    const from = Date.parse(attempt.startedAt);
    wait(from, attempt.n === 1 ? "Waited" : "Waited again");
    const to = attempt.endedAt ? Date.parse(attempt.endedAt) : now;
    all.push({ kind: attempt.outcome ? OUTCOMES[attempt.outcome] : "info", name: `Attempt ${attempt.n}`, from, to, attempt });
    at = to;
  }
  if (task.finishedAt) wait(Date.parse(task.finishedAt), "Waited");
  else if (task.waiting) {
    wait(now, "Waits");
    at = Math.max(at, now);
    if (task.runAt) wait(Date.parse(task.runAt), "Runs at the earliest");
  }
  return all;
}

/** Waits and attempts below each other, on one scale. */
export function gantt(task, now) {
  const all = parts(task, now);
  if (all.length === 0) return h("p", { class: "soft" }, "It has only just come.");
  const begin = all[0].from;
  const whole = Math.max(all.at(-1).to - begin, 1);
  const line = ({ kind, name, from, to, attempt }) => {
    const x = ((from - begin) / whole) * 100;
    const bar = s("svg", { class: "span", "aria-hidden": "true" }, s("rect", { class: kind, x: `${Math.min(x, 99.5)}%`, width: `${Math.max(((to - from) / whole) * 100, 0.5)}%`, height: "100%", rx: 2 }));
    const outcome = attempt && (attempt.outcome ? words(attempt.outcome) : "running");
    const status = attempt?.status ? `, ${attempt.status}` : "";
    const about = attempt && h("span", { class: "soft" }, h("a", { href: `/dashboard/workers/${nameOf(attempt.worker)}` }, host(attempt.worker)), ` ${outcome}${status}`);
    return h("li", { title: `${exact(from)} – ${exact(to)}` }, h("span", { class: "name" }, h("b", {}, name), " ", about), bar, h("span", { class: "num" }, millis(to - from)));
  };
  return [
    h("ol", { class: "gantt" }, all.map(line)),
    h("p", { class: "scale faint" }, h("span", {}), h("span", {}, h("span", {}, clock(begin)), h("span", {}, clock(begin + whole))), h("span", { class: "num" }, millis(whole))),
  ];
}

/** Why an attempt went to its worker. */
export function choice({ n, worker, why }) {
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const { signals } = why;
  return h(
    "article",
    { class: "choice" },
    h("h3", {}, `Attempt ${n}: `, h("a", { href: `/dashboard/workers/${nameOf(worker)}` }, host(worker))),
    h("p", { class: "soft" }, `${why.policy} ranked it ${why.rank} of ${why.candidates} in ${why.tookUs} µs.`, why.rank > 1 && " Those before it had no room any more."),
    why.fallback && h("p", { class: "why warn" }, `A native policy decided in place of the one in force: ${words(why.fallback)}.`),
    why.leftOut && h("p", { class: "why" }, `${host(why.leftOut)} was left out: the attempt before failed there.`),
    h(
      "dl",
      { class: "facts signals" },
      fact("Policy version", why.version),
      fact("Slots in use", `${signals.used} of ${signals.slots}`),
      fact("By this balancer", signals.inFlight),
      fact("Its own queue", signals.queue),
      fact("CPU load", `${Math.round(signals.cpu * 10) / 10} %`),
      fact("Memory", `${Math.round(signals.memory * 10) / 10} %`),
      fact("Latency", millis(signals.latencyMs)),
      fact("Failures", `${Math.round(signals.failureRate * 100)} %`),
      fact("Weight", signals.weight),
      fact("Report was", `${millis(signals.reportAgeMs)} old`),
    ),
  );
}

/** A value for people: JSON in lines, its beginning if it is long, and all of it to copy. */
export function payload(value, name) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const output = h("pre", { tabindex: "0", "aria-label": name }, text.slice(0, SHOWN));
  const copy = h("button", { type: "button", class: "small", onclick: () => copied(text) }, "Copy");
  const rest = text.length > SHOWN && h("button", { type: "button", class: "small", onclick: () => {
    output.textContent = text;
    rest.remove();
    cut.remove();
    output.focus();
  } }, "Show all");
  const cut = rest && h("p", { class: "soft" }, `The first ${SHOWN} of ${text.length} characters.`);
  return h("div", { class: "result payload" }, h("div", { class: "row end" }, rest, copy), output, cut);
}

export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast("The browser lets nothing be copied here (it asks for https).", true);
  }
}
