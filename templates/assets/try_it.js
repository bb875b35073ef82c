// A form made from a function's parameters, and what comes of it.

import { send } from "./actions.js";
import { h } from "./dom.js";
import { millis } from "./format.js";

const NUMBERS = ["number", "integer", "float"];

/** Makes the form for these functions of a lane. */
export function tryIt(form, result, lane, functions) {
  if (functions.length === 0 || lane.group === null) {
    form.replaceChildren(h("p", { class: "soft" }, "Nothing to try: it publishes no functions."));
    return;
  }
  const choose = h("select", { id: "try-function" }, functions.map(({ name }) => h("option", {}, name)));
  const mode = h("select", { id: "try-mode" }, ["sync", "stream", "async"].map((name) => h("option", {}, name)));
  const key = h("input", { id: "try-key", type: "password", required: true, autocomplete: "off", spellcheck: "false" });
  const fields = h("div", { class: "field" });
  const button = h("button", { type: "submit", class: "primary" }, "Run");
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  let read = () => ({});

  const describe = () => {
    const { params } = functions.find(({ name }) => name === choose.value);
    const inputs = Object.entries(params ?? {}).map(([name, about]) => input(name, about ?? {}));
    read = () => Object.fromEntries(inputs.map(({ name, value }) => [name, value()]).filter(([, value]) => value !== undefined));
    fields.replaceChildren(...(inputs.length ? inputs.map(({ node }) => node) : [h("p", { class: "soft" }, "It takes no parameters.")]));
  };
  choose.addEventListener("change", describe);
  describe();

  form.replaceChildren(
    h("p", { class: "soft" }, "Runs a task in the lane ", h("strong", {}, `${lane.group} / ${lane.contract}`), ": the balancer picks the worker."),
    h("div", { class: "pair" }, labelled("try-function", "Function", choose), labelled("try-mode", "Mode", mode)),
    fields,
    labelled("try-key", "Worker key", key, "The worker’s AUTH_KEY. It is sent with this task and kept nowhere on this page."),
    problem,
    h("div", {}, button),
  );

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    let sent;
    try {
      sent = read();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      return;
    }
    button.disabled = true;
    const task = { group: lane.group, contract: lane.contract, function: choose.value, mode: mode.value, input: sent };
    await run(task, key.value, result);
    button.disabled = false;
  });
}

/** A control with its label, and perhaps a hint. */
export function labelled(id, text, control, about) {
  const hint = about && h("small", { id: `${id}-about` }, about);
  if (hint) control.setAttribute("aria-describedby", hint.id);
  return h("div", { class: "field" }, h("label", { for: id }, text), control, hint);
}

/** The control of one parameter, and how to read it; `given` is what it shows first. */
export function input(name, { type = "any", required = false, default: preset }, given) {
  const id = `try-param-${name}`;
  const hint = preset === undefined ? type : `${type}, else ${JSON.stringify(preset)}`;
  const mark = required && h("span", { class: "req" }, " required");
  const label = h("label", { for: id }, h("code", {}, name), " ", h("small", {}, hint), mark);
  if (type === "boolean") {
    const box = h("input", { id, type: "checkbox", checked: (given ?? preset) === true });
    return { name, node: h("div", { class: "field check" }, box, label), value: () => box.checked };
  }
  const placeholder = preset === undefined ? null : String(typeof preset === "object" ? JSON.stringify(preset) : preset);
  if (type === "string") {
    const text = h("input", { id, required, placeholder, spellcheck: "false", value: given });
    return { name, node: h("div", { class: "field" }, label, text), value: () => text.value || undefined };
  }
  if (NUMBERS.includes(type)) {
    const number = h("input", { id, type: "number", step: type === "integer" ? "1" : "any", required, placeholder, value: given });
    return { name, node: h("div", { class: "field" }, label, number), value: () => (number.value === "" ? undefined : Number(number.value)) };
  }
  const area = h("textarea", { id, rows: 3, required, placeholder: placeholder ?? "JSON", spellcheck: "false" });
  if (given !== undefined) area.value = JSON.stringify(given, null, 2);
  const value = () => {
    if (area.value.trim() === "") return undefined;
    try {
      return JSON.parse(area.value);
    } catch {
      throw new Error(`${name} must be JSON.`);
    }
  };
  return { name, node: h("div", { class: "field" }, label, area), value };
}

/** Runs a task and shows what comes of it. */
export async function run(task, key, result) {
  const began = performance.now();
  const output = h("pre", { tabindex: "0", "aria-label": "Answer" });
  const about = h("p", { class: "soft" }, "Running …");
  result.replaceChildren(h("div", { class: "result" }, about, output));
  try {
    const headers = { "content-type": "application/json", "x-wr-auth": key };
    const response = await send("POST", "/task", { headers, body: JSON.stringify(task) });
    const id = response.headers.get("x-task-id");
    const timing = response.headers.get("server-timing");
    const tone = response.ok ? "ok" : "bad";
    if (task.mode === "stream" && response.ok) await follow(response, output);
    else output.textContent = pretty(await response.text());
    const took = millis(performance.now() - began);
    about.replaceChildren(h("span", { class: `tone ${tone}` }, `${response.status}`), ` in ${took}`, ...(timing ? [` (${timed(timing)})`] : []), ...(id ? [" · ", h("a", { href: `/dashboard/tasks/${id}`, class: "mono" }, id)] : []));
  } catch {
    about.replaceChildren(h("span", { class: "tone bad" }, "The connection broke off"));
  }
}

async function follow(response, output) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    output.append(value);
  }
}

const timed = (header) =>
  header
    .split(",")
    .map((part) => part.trim().split(";dur="))
    .map(([name, length]) => `${name} ${millis(Number(length))}`)
    .join(", ");

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
