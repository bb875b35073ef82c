// A new task, from nothing or from another one.

import { get } from "./actions.js";
import { byId, h, island, setText } from "./dom.js";
import { listen } from "./live.js";
import { duplicate } from "./task_actions.js";
import { href } from "./task_view.js";
import { input, labelled, run } from "./try_it.js";
import { namesOf } from "./worker_view.js";

const { lanes } = island();
const form = byId("new");
const from = new URLSearchParams(location.search).get("from");
const OTHER = "other";

const control = (id, attributes = {}) => h("input", { id, spellcheck: "false", autocomplete: "off", ...attributes });
const problem = h("p", { class: "problem", role: "alert", hidden: true });

function show(original) {
  const options = original?.options ?? {};
  const at = original ? lanes.findIndex(({ group, contract }) => group === original.group && contract === original.contract) : -1;
  const lane = h("select", { id: "lane" }, lanes.map(({ group, contract }, place) => h("option", { value: place }, `${group} / ${contract}`)), h("option", { value: OTHER }, original && at < 0 ? `${original.group} / ${original.contract}` : "Another lane …"));
  const group = control("group", { value: original?.group ?? "default", required: true });
  const contract = control("contract", { type: "number", step: "any", value: original?.contract ?? 1, required: true });
  const named = h("div", { class: "pair" }, labelled("group", "Group", group), labelled("contract", "Contract", contract));
  const choose = h("select", { id: "function" });
  const typed = control("function-name", { required: true, value: original?.function });
  const called = h("div");
  const fields = h("div", { class: "stack" });
  const mode = h("select", { id: "mode" }, ["async", "sync", "stream", "webhook"].map((name) => h("option", {}, name)));
  const webhook = control("webhook", { type: "url", required: true, placeholder: "https://example.com/results" });
  const hook = h("div", {}, labelled("webhook", "Webhook address", webhook, "The worker posts the result there."));
  const number = (id, value, attributes) => control(id, { type: "number", step: 1, value, ...attributes });
  const priority = number("priority", original?.priority ?? undefined, { min: 0, max: 2097152 });
  const attempts = number("attempts", options.attempts, { min: 1, max: 100 });
  const timeout = number("timeout", options.timeoutMs, { min: 1, max: 86400000 });
  const delay = number("delay", options.delayMs, { min: 0 });
  const tenant = control("tenant", { value: options.tenant });
  const key = control("option-key", { value: options.key });
  const secret = control("worker-key", { type: "password", required: true });
  const button = h("button", { type: "submit", class: "primary" }, original ? "Submit the duplicate" : "Submit");
  let read = () => ({});

  const offered = () => (lane.value === OTHER ? [] : namesOf(lanes[lane.value].functions));
  const parameters = () => {
    const about = offered().find(({ name }) => name === choose.value)?.params ?? {};
    const same = original && (lane.value === OTHER || choose.value === original.function);
    const given = same ? original.input : undefined;
    const names = Object.entries(about);
    const isObject = given === undefined || (given !== null && typeof given === "object" && !Array.isArray(given));
    // What the form has no field for would get lost.
    const fits = isObject && Object.keys(given ?? {}).every((name) => name in about && kept(given[name], about[name]?.type));
    if (names.length > 0 && fits) {
      const inputs = names.map(([name, kind]) => input(name, kind ?? {}, given?.[name]));
      read = () => Object.fromEntries(inputs.map(({ name, value }) => [name, value()]).filter(([, value]) => value !== undefined));
      fields.replaceChildren(...inputs.map(({ node }) => node));
    } else {
      const whole = input("input", { type: "json" }, given);
      read = () => whole.value() ?? {};
      fields.replaceChildren(whole.node);
    }
  };
  const functions = () => {
    const names = offered().map(({ name }) => name);
    named.hidden = lane.value !== OTHER || Boolean(original);
    group.disabled = contract.disabled = named.hidden;
    typed.disabled = names.length > 0;
    choose.replaceChildren(...names.map((name) => h("option", {}, name)));
    if (original && names.includes(original.function)) choose.value = original.function;
    called.replaceChildren(names.length > 0 ? labelled("function", "Function", choose) : labelled("function-name", "Function", typed));
    parameters();
  };
  const modes = () => {
    hook.hidden = mode.value !== "webhook" || Boolean(original);
    webhook.disabled = hook.hidden;
  };
  lane.value = at >= 0 ? String(at) : lanes.length > 0 && !original ? "0" : OTHER;
  lane.disabled = Boolean(original);
  lane.addEventListener("change", functions);
  choose.addEventListener("change", parameters);
  mode.addEventListener("change", modes);
  functions();
  modes();

  const own = Object.keys(options).filter((name) => name !== "idempotencyKey").length > 0;
  form.replaceChildren(
    original ? h("p", { class: "why" }, "Like ", h("a", { href: href(from), class: "mono" }, from), ". It gets the worker key that was given for that one, stays in its lane, and is ", original.mode === "webhook" ? "a webhook task too." : "async.") : "",
    h("div", { class: "pair" }, labelled("lane", "Lane", lane), original ? called : labelled("mode", "Mode", mode)),
    original ? "" : hook,
    named,
    original ? "" : called,
    fields,
    h("details", { open: own || original?.priority ? true : null }, h("summary", {}, "Priority and options"), h(
      "div",
      { class: "pair" },
      labelled("priority", "Priority", priority, "1 is the first; none goes before all."),
      labelled("attempts", "Attempts at most", attempts),
      labelled("timeout", "Time limit of one, ms", timeout),
      labelled("delay", "Delay, ms", delay),
      labelled("tenant", "Tenant", tenant),
      labelled("option-key", "Key", key, "Tasks with the same key belong together, for policies."),
    )),
    original ? "" : labelled("worker-key", "Worker key", secret, "The workers’ AUTH_KEY. It is sealed with this task and kept nowhere on this page."),
    problem,
    h("div", {}, button),
  );

  form.onsubmit = async (event) => {
    event.preventDefault();
    problem.hidden = true;
    button.disabled = true;
    try {
      const given = { attempts: whole(attempts), timeoutMs: whole(timeout), delayMs: whole(delay), tenant: tenant.value || undefined, key: key.value || undefined };
      if (options.runAt && given.delayMs === undefined) given.runAt = options.runAt;
      const asked = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
      const task = { function: offered().length > 0 ? choose.value : typed.value, input: read(), priority: whole(priority) ?? null, options: asked };
      if (original) {
        const { taskId } = await duplicate(from, task);
        location.assign(href(taskId));
        return;
      }
      const place = lane.value === OTHER ? { group: group.value, contract: Number(contract.value) } : { group: lanes[lane.value].group, contract: lanes[lane.value].contract };
      const hooked = mode.value === "webhook" ? { webhook: { url: webhook.value } } : {};
      await run({ ...place, mode: mode.value, ...hooked, ...task }, secret.value, byId("answer"));
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
    button.disabled = false;
  };
}

const whole = (control) => (control.value === "" ? undefined : Number(control.value));

/** Whether a field of that type shows the value as it is. */
function kept(value, type) {
  if (type === "string") return typeof value === "string";
  if (type === "boolean") return typeof value === "boolean";
  if (["number", "integer", "float"].includes(type)) return typeof value === "number";
  return true;
}

async function begin() {
  if (!form) return;
  if (!from) return show(null);
  setText(byId("title"), "Duplicate a task");
  try {
    const [task, sent] = await Promise.all([get(`/tasks/${from}`), get(`/tasks/${from}/sent`)]);
    if (sent.inputStart) throw new Error("Its input is too large for a form. POST /tasks/{id}/duplicate takes it as it is.");
    if (!sent.keyReadable) throw new Error("Its worker key cannot be read any more.");
    show({ ...task, options: sent.options ?? {}, input: sent.input });
  } catch (error) {
    form.replaceChildren(h("p", { class: "problem", role: "alert" }, error.message), h("div", {}, h("a", { class: "button", href: "/dashboard/tasks/new" }, "An empty form")));
  }
}

begin();
listen("of=", {});
