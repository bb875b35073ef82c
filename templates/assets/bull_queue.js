// One queue: its jobs by state, and what may be done to them.

import { byId, fill, h, island, mayAct, parameters, setText, toast } from "./dom.js";
import { ago, count, host, length } from "./format.js";
import { ask, follow, jobPath, queuePath } from "./bull_api.js";
import { DONE, TONES, WORDS, actionsOf, jobLink, queueLink, share } from "./bull_view.js";

const { queue: name } = island();
const address = parameters();
const PER_PAGE = 20;
const status = () => address.get("status") || "latest";
const page = () => Number(address.get("page")) || 1;
const chosen = new Set();
/** What became of jobs that many were asked for, by id. */
const outcomes = new Map();
let cleared = 0;
let queue = null;

const note = h("p", { class: "soft" });
const head = h("div", { class: "stack" });
const tabs = h("nav", { class: "tabs", "aria-label": "States of jobs" });
const search = h("input", { type: "search", placeholder: "Id or error", "aria-label": "Search jobs", spellcheck: "false", value: address.get("q") });
const whole = h("div", { class: "row wrap" });
const some = h("div", { class: "row wrap" });
const report = h("p", { class: "soft", role: "status" });
const list = h("section", { class: "panel flush", id: "jobs", "aria-label": "Jobs" });
const paging = h("nav", { class: "paging", "aria-label": "Pages of jobs" });
const board = byId("board");

board.removeAttribute("aria-busy");
board.replaceChildren(
  h("p", { class: "crumb" }, h("a", { href: "/bull" }, "‹ Queues")),
  h("div", { class: "head" }, h("h1", { class: "mono" }, name), note),
  head,
  tabs,
  h("div", { class: "toolbar" }, search, whole),
  some,
  report,
  list,
  paging,
  ...(mayAct() ? [adding()] : []),
);

search.addEventListener("input", () => {
  address.set("q", search.value.trim());
  address.set("page", "");
  now();
});

function control(text, work, options = {}) {
  const node = h("button", { type: "button", class: "small", ...options }, text);
  node.addEventListener("click", async () => {
    node.disabled = true;
    try {
      const done = await work();
      if (done) setText(report, done);
      await now();
    } catch (error) {
      toast(error.message, true);
    }
    node.disabled = false;
  });
  return node;
}

const sure = (text, work) => () => confirm(text) && work();
const put = (rest) => ask(queuePath(name, rest), "PUT");
const said = (done, { skipped, ...counts }) => `${done}: ${Object.values(counts)[0]}${skipped ? `, ${skipped} skipped` : ""}`;

function forAll() {
  const now = status();
  const n = queue.counts[now];
  return [
    control(queue.isPaused ? "Resume" : "Pause", async () => (await put(queue.isPaused ? "/resume" : "/pause"), null), { id: "pause-queue" }),
    ["failed", "completed"].includes(now) && n > 0 && control("Retry all", async () => said("Retried", await put(`/retry/${now}`)), { id: "retry-all" }),
    now === "delayed" && n > 0 && control("Promote all", async () => said("Promoted", await put("/promote")), { id: "promote-all" }),
    ["failed", "completed", "waiting", "prioritized", "delayed"].includes(now) && n > 0 && control("Remove all", sure(`Remove all ${now} jobs of ${name}? They are gone for good.`, async () => said("Removed", await put(`/clean/${now}`))), { id: "clean-all" }),
    control("Empty", sure(`Cancel everything that waits in ${name}?`, async () => said("Cancelled", await put("/empty"))), { id: "empty", title: "Cancels what waits; what is delayed stays" }),
  ];
}

/** Does it to each chosen job, and says of each what became of it. */
function forChosen() {
  if (chosen.size === 0) return [];
  const each = (action) =>
    control(`${WORDS[action]} ${chosen.size}`, async () => {
      let failed = 0;
      const ids = [...chosen];
      outcomes.clear();
      for (const id of ids) {
        try {
          await ask(jobPath(name, id, `/${action}`), "PUT");
          outcomes.set(id, { text: DONE[action] });
        } catch (error) {
          failed += 1;
          outcomes.set(id, { text: error.message, bad: true });
        }
      }
      chosen.clear();
      return `${WORDS[action]}: ${ids.length - failed} done${failed ? `, ${failed} refused (see each)` : ""}`;
    }, { "data-each": action });
  return [h("span", { class: "soft" }, `${chosen.size} chosen`), ...Object.keys(WORDS).map(each), control("None", async () => (chosen.clear(), (cleared += 1), null))];
}

function job(one) {
  const { id } = one;
  const outcome = outcomes.get(id);
  const box = mayAct() && h("input", { type: "checkbox", "aria-label": `Choose ${id}`, checked: chosen.has(id) });
  box && box.addEventListener("change", () => {
    if (box.checked) chosen.add(id);
    else chosen.delete(id);
    draw();
  });
  const at = one.finishedOn ?? one.processedOn ?? one.timestamp;
  const word = one.finishedOn ? "ended " : one.processedOn ? "started " : "added ";
  return h(
    "article",
    { class: "job", "data-job": id },
    box || h("span"),
    h(
      "div",
      { class: "body" },
      h("div", { class: "name" }, h("a", { href: jobLink(name, id) }, one.name), h("span", { class: `tone ${TONES[one.status]}` }, one.status), h("span", { class: "soft" }, word, ago(at))),
      h("div", { class: "sub" }, h("code", {}, id), h("span", {}, `${one.attempts} ${one.attempts === 1 ? "attempt" : "attempts"}`), one.processedBy && h("span", {}, "on ", host(one.processedBy)), one.opts.priority && h("span", {}, `priority ${one.opts.priority}`), one.status === "delayed" && h("span", {}, "due ", ago(one.timestamp + one.delay, (past) => (past < 0 ? `in ${length(-past)}` : "now")))),
      h("div", { class: "data mono" }, JSON.stringify(one.data?.input ?? one.data)),
      one.failedReason && h("p", { class: "why bad" }, one.failedReason),
    ),
    mayAct() ? h("div", { class: "buttons" }, actionsOf(one).map((action) => control(WORDS[action], async () => (await ask(jobPath(name, id, `/${action}`), "PUT"), toast(`${one.name} ${DONE[action]}`), null), { "data-action": action, "aria-label": `${WORDS[action]} ${id}` }))) : null,
    outcome && h("p", { class: outcome.bad ? "outcome problem" : "outcome soft" }, outcome.text),
  );
}

function draw() {
  if (!queue) return;
  const here = status();
  setText(note, queue.description);
  fill(head, [queue.counts, queue.isPaused, queue.hasWorkers], () => [
    queue.isPaused && h("p", { class: "tone info" }, "Paused: what waits stays"),
    !queue.hasWorkers && h("p", { class: "tone warn" }, "No worker of this lane is ready"),
    share(queue.counts),
  ]);
  fill(tabs, [queue.counts, here], () =>
    queue.statuses
      .filter((state) => state !== "waiting-children")
      .map((state) => h("a", { class: state, href: queueLink(name, state === "latest" ? "" : `?status=${state}`), "aria-current": here === state ? "page" : null }, state, state in queue.counts ? h("span", {}, count(queue.counts[state])) : null)),
  );
  if (mayAct()) {
    fill(whole, [queue.counts[here] > 0, queue.isPaused], forAll);
    fill(some, [...chosen], forChosen);
  }
  fill(list, [queue.jobs, [...outcomes], cleared], () => {
    if (queue.jobs.length > 0) return queue.jobs.map(job);
    return h("div", { class: "empty" }, h("strong", {}, search.value ? "No job has that in its id or error" : here === "latest" ? "No jobs yet" : `No ${here} jobs`));
  });
  const { pageCount } = queue.pagination;
  paging.hidden = pageCount < 2;
  const turn = (text, to) => h("button", { type: "button", class: "small", disabled: to < 1 || to > pageCount, "data-to": to }, text);
  fill(paging, [page(), pageCount], () => {
    const buttons = [turn("Newer", page() - 1), h("span", {}, `${page()} of ${pageCount}`), turn("Older", page() + 1)];
    for (const node of buttons) node.addEventListener("click", () => {
      if (!node.dataset.to) return;
      address.set("page", node.dataset.to === "1" ? "" : node.dataset.to);
      now();
    });
    return buttons;
  });
}

/** A form that adds a job. */
function adding() {
  const field = (id, text, input, about) => h("div", { class: "field" }, h("label", { for: id }, text), input, about && h("small", {}, about));
  const inputs = {
    name: h("input", { id: "add-name", required: true, spellcheck: "false" }),
    data: h("textarea", { id: "add-data", rows: "5", spellcheck: "false" }, "{}"),
    options: h("input", { id: "add-options", spellcheck: "false", placeholder: '{"delay": 60000}', class: "mono" }),
    key: h("input", { id: "add-key", type: "password", required: true, autocomplete: "off" }),
  };
  const form = h(
    "form",
    { id: "add", autocomplete: "off" },
    h("div", { class: "pair" }, field("add-name", "Function", inputs.name), field("add-key", "Worker key", inputs.key, "The workers’ AUTH_KEY. It goes with this job and is kept nowhere on this page.")),
    field("add-data", "Data (JSON)", inputs.data, "The input of the function; or a whole body, as jobs show it."),
    field("add-options", "Options (JSON)", inputs.options, "delay, priority, attempts, timeoutMs, key, tenant"),
    h("div", {}, h("button", { type: "submit", class: "primary" }, "Add job")),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const body = { name: inputs.name.value.trim(), data: parse("Data", inputs.data.value), options: parse("Options", inputs.options.value || "{}") };
      const { job } = await ask(queuePath(name, "/add"), "POST", body, { "x-wr-auth": inputs.key.value });
      toast(`Added ${job.id}`);
      await now();
    } catch (error) {
      toast(error.message, true);
    }
  });
  return h("details", { class: "panel" }, h("summary", {}, "Add a job"), form);
}

function parse(what, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}: ${error.message}`);
  }
}

const now = follow(async () => {
  const query = new URLSearchParams({ activeQueue: name, status: status(), page: page(), jobsPerPage: PER_PAGE, q: address.get("q") });
  try {
    const { queues } = await ask(`/queues?${query}`);
    const found = queues.find((one) => one.name === name);
    if (!found) throw new Error("There is no such queue: its lane has no tasks and no workers.");
    queue = found;
    draw();
  } catch (error) {
    setText(note, error.message);
  }
});
