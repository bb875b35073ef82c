// One task.

import { get } from "./actions.js";
import { byId, fill, h, island, mayAct, setText, toast } from "./dom.js";
import { ago, clockIs, exact, host, millis, now } from "./format.js";
import { listen } from "./live.js";
import { cancel, confirmed, prioritize, promote, remove, retry } from "./task_actions.js";
import { TONES, choice, gantt, hasEnded, laneOf, payload, reason } from "./task_view.js";

/** How often one that has ended is looked at, in milliseconds: it may be run again elsewhere. */
const ENDED = 10000;
const LARGE = 100000;

const { id } = island();
let task = null;
let sent = null;
let busy = false;
let looked = 0;
let size = 0;

async function look() {
  if (busy) return;
  busy = true;
  try {
    const found = await get(`/tasks/${id}`);
    task = found;
    looked = Date.now();
    size = JSON.stringify(found.result ?? null).length;
    show();
  } catch (error) {
    fill(byId("problem"), error.message, () => h("p", { class: "why bad", role: "alert" }, error.message));
  }
  busy = false;
}

function show() {
  document.title = `${task.function} · Andera`;
  setText(byId("function"), task.function);
  fill(byId("state"), [task.state, task.waiting?.reason, task.waiting?.position], () => {
    const place = task.waiting?.position;
    return [h("span", { class: `tone ${TONES[task.state]}` }, task.state), task.waiting && h("span", { class: "soft" }, ` · ${reason(task)}${place > 0 ? `, ${place} before it` : ""}`)];
  });
  fill(byId("problem"), [task.error, task.code], () => task.error && h("p", { class: task.state === "failed" ? "why bad" : "why" }, task.error, " ", h("code", { class: "soft" }, task.code)));
  facts();
  timeline();
  byId("choices").hidden = task.attempts.length === 0;
  fill(byId("why-list"), task.attempts.map(({ n, worker }) => [n, worker]), () => task.attempts.toReversed().map(choice));
  fill(byId("result"), [task.state, task.finishedAt], result);
  actions();
}

function timeline() {
  fill(byId("timeline"), hasEnded(task) ? task : now(), () => gantt(task, now()));
}

function facts() {
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const { attempts, timeoutMs, tenant, key } = sent?.options ?? {};
  const last = task.attempts.at(-1);
  fill(byId("facts"), [task.attempts.length, task.state, task.priority, task.mode, task.runAt, sent], () =>
    h(
      "dl",
      { class: "facts" },
      fact("Lane", h("a", { href: `/dashboard/tasks?${new URLSearchParams({ group: task.group, contract: task.contract })}` }, laneOf(task))),
      fact("Mode", task.mode),
      fact("Priority", task.priority ?? "none"),
      fact("Submitted", ago(Date.parse(task.createdAt))),
      hasEnded(task) && fact("Took", millis(Date.parse(task.finishedAt) - Date.parse(task.createdAt))),
      task.runAt && fact("Runs at", exact(Date.parse(task.runAt))),
      last && fact("Worker", host(last.worker)),
      fact("Attempts", attempts ? `${task.attempts.length}, ${attempts} at most` : task.attempts.length),
      task.interruptions > 0 && fact("Interruptions", task.interruptions),
      timeoutMs && fact("Time limit", millis(timeoutMs)),
      tenant && fact("Tenant", tenant),
      key && fact("Key", key),
      sent?.webhook && fact("Webhook", sent.webhook),
    ),
  );
}

function result() {
  if (!hasEnded(task)) return h("p", { class: "soft" }, "It comes with the end of the task.");
  if (task.result === undefined) return h("p", { class: "soft" }, task.mode === "stream" ? "A stream goes to its client and is not kept." : "No worker has answered.");
  const cut = task.resultTruncated && h("p", { class: "why warn" }, "Only its beginning was kept: it is larger than RESULT_MAX_BYTES.");
  return [cut, payload(task.result, "Result")];
}

async function input() {
  try {
    sent = await get(`/tasks/${id}/sent`);
    const value = sent.input ?? sent.inputStart;
    const cut = sent.inputStart && h("p", { class: "why warn" }, `Only the beginning of its ${sent.inputBytes} bytes.`);
    byId("input").replaceChildren(...(value === undefined ? [h("p", { class: "soft" }, "It was sent without input.")] : [cut || "", payload(value, "Input")]));
    if (task) show();
  } catch (error) {
    byId("input").replaceChildren(h("p", { class: "problem" }, error.message));
  }
}

// Actions

function actions() {
  if (!mayAct()) return;
  const ended = hasEnded(task);
  const waits = ["queued", "delayed"].includes(task.state);
  const readable = sent?.keyReadable !== false;
  fill(byId("actions"), [task.state, task.mode, task.priority, readable], () => {
    const button = (name, todo, off) => h("button", { type: "button", "data-action": name.toLowerCase(), disabled: Boolean(off), title: off || null, onclick: () => doing(todo) }, name);
    const key = readable ? null : "Its worker key cannot be read any more";
    return [
      ended && button("Retry", () => retry(task), task.mode === "stream" ? "A stream cannot be run again" : key),
      !ended && button("Cancel", () => cancel(task)),
      task.state === "delayed" && button("Promote", () => promote(task)),
      waits && priority(),
      h("a", { class: "button", href: `/dashboard/tasks/new?from=${id}`, "data-action": "duplicate" }, "Duplicate"),
      ended && button("Remove", removed),
    ];
  });
}

function priority() {
  const number = h("input", { type: "number", min: 0, max: 2097152, step: 1, value: task.priority ?? 0, "aria-label": "Priority: 0 is none, which goes before all that have one", class: "short" });
  const form = h("form", { class: "row" }, number, h("button", { type: "submit" }, "Set priority"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    doing(() => prioritize(task, Number(number.value)));
  });
  return form;
}

async function removed() {
  if (!(await confirmed("Remove this task? Nothing of it is kept.", "Remove"))) return;
  await remove(task);
  location.assign(byId("back").href);
}

async function doing(todo) {
  try {
    await todo();
  } catch (error) {
    toast(error.message, true);
  }
  await look();
}

// The list as it was looked at last.
if (document.referrer.startsWith(`${location.origin}/dashboard/tasks?`)) byId("back").href = document.referrer;

look();
input();
listen("of=overview", {
  overview({ now: at }) {
    clockIs(at);
    if (task && !hasEnded(task)) timeline();
    const since = Date.now() - looked;
    if (!task || !hasEnded(task) || (size < LARGE && since > ENDED)) look();
  },
});
