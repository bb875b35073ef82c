// One job.

import { byId, fill, h, island, mayAct, setText, toast } from "./dom.js";
import { ago, host, millis } from "./format.js";
import { ask, follow, jobPath } from "./bull_api.js";
import { DONE, TONES, WORDS, actionsOf, pretty, queueLink } from "./bull_view.js";

const { queue, job: id } = island();
const status = h("span");
const buttons = h("div", { class: "row" });
const facts = h("section", { class: "panel", "aria-label": "Facts" });
const texts = h("div", { class: "stack" });
const board = byId("board");
let gone = false;

board.removeAttribute("aria-busy");
board.replaceChildren(h("p", { class: "crumb" }, h("a", { href: queueLink(queue) }, `‹ ${queue}`)), h("div", { class: "head" }, h("h1", { class: "mono" }, id), h("div", { class: "row wrap" }, status, buttons)), facts, texts);

function control(action) {
  const node = h("button", { type: "button", "data-action": action }, WORDS[action]);
  node.addEventListener("click", async () => {
    if (action === "clean" && !confirm("Remove this job? It is gone for good.")) return;
    node.disabled = true;
    try {
      await ask(jobPath(queue, id, `/${action}`), "PUT");
      toast(`The job ${DONE[action]}`.replace("job removed", "job is removed").replace("job promoted", "job is promoted").replace("job told", "job is told"));
      await now();
    } catch (error) {
      toast(error.message, true);
    }
    node.disabled = false;
  });
  return node;
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
const time = (at) => (at === null ? "–" : ago(at));
const text = (title, value) => h("section", { class: "panel text-panel", "aria-label": title }, h("h2", {}, title), h("pre", { tabindex: "0" }, value));

function show({ job, status: word }, lines) {
  status.className = `tone ${TONES[word]}`;
  setText(status, word);
  if (mayAct()) fill(buttons, word, () => actionsOf({ status: word }).map(control));
  fill(facts, [job, word], () =>
    h(
      "dl",
      { class: "facts" },
      fact("Function", h("code", {}, job.name)),
      fact("Added", time(job.timestamp)),
      fact("Started", time(job.processedOn)),
      fact("Ended", time(job.finishedOn)),
      fact("Took", job.finishedOn && job.processedOn ? millis(job.finishedOn - job.processedOn) : "–"),
      fact("Attempts", String(job.attempts)),
      fact("Worker", job.processedBy ? host(job.processedBy) : "–"),
    ),
  );
  fill(texts, [job, lines], () => [
    job.failedReason && text("Error", [job.failedReason, ...job.stacktrace].join("\n")),
    text("Data", pretty(job.data)),
    text("Options", pretty(job.opts)),
    job.returnValue !== null && text("Result", pretty(job.returnValue)),
    text("Logs", lines.length ? lines.join("\n") : "The balancer has logged nothing of it lately."),
  ]);
}

const now = follow(async () => {
  if (gone) return;
  try {
    const [found, lines] = await Promise.all([ask(jobPath(queue, id)), ask(jobPath(queue, id, "/logs"))]);
    show(found, lines);
  } catch (error) {
    gone = error.status === 404;
    status.className = "tone off";
    setText(status, gone ? "not there (any more)" : error.message);
    if (gone) buttons.replaceChildren();
  }
});
