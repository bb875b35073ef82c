// The policies: which are in force and how they do, those there are, and what became of them.

import { act, get, send } from "./actions.js";
import { byId, fill, h, mayAct, setText, toast } from "./dom.js";
import { ago, count, millis } from "./format.js";
import { listen } from "./live.js";

const PAUSE = 3000;
const TONES = { ok: ["ok", "In order"], failing: ["bad", "Failing: left alone for a while"], missing: ["bad", "Missing: the native order takes its place"] };

const micros = (time) => (time === null ? "–" : time < 1000 ? `${Math.round(time)} µs` : millis(time / 1000));
const share = (part) => (part === null ? "–" : `${Math.round(part * 1000) / 10} %`);
const short = (sha256) => (sha256 ? h("code", { title: sha256 }, sha256.slice(0, 10)) : "–");
const scope = ({ group, contract }) => (group === undefined ? "Lanes without a rule" : contract === undefined ? `Group ${group}` : `${group} / ${contract}`);
const sum = (counts) => Object.values(counts).reduce((total, one) => total + one, 0);
const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
const times = ({ count: calls, p50Us, p99Us }) => [count(calls), h("div", { class: "soft" }, `${micros(p50Us)} / ${micros(p99Us)}`)];

/** A button that does something, says so, and looks again. */
function button(text, label, work, extra = {}) {
  const node = h("button", { type: "button", class: "small", "aria-label": label, ...extra }, text);
  node.addEventListener("click", () => run(node, work, label));
  return node;
}

async function run(node, work, done) {
  node.disabled = true;
  try {
    await work();
    toast(`Done: ${done}`);
    await look();
  } catch (error) {
    toast(error.message, true);
  }
  node.disabled = false;
}

const path = (name, rest = "") => `/policies/${encodeURIComponent(name)}${rest}`;

function inForce(policies, activated) {
  byId("in-force").removeAttribute("aria-busy");
  fill(byId("in-force"), [policies, activated], () =>
    policies.map((policy) => {
      const [tone, title] = TONES[policy.status];
      const fallbacks = Object.entries(policy.fallbacks);
      const isDefault = policy.group === undefined;
      return h(
        "article",
        { class: "panel policy", "data-scope": scope(policy) },
        h(
          "div",
          { class: "top" },
          h("h2", {}, scope(policy), ": ", h("code", {}, policy.policy)),
          h("div", { class: "row wrap" }, isDefault && activated && h("span", { class: "pill" }, `${activated} is activated`), h("span", { class: `tone ${tone}`, title }, policy.status)),
        ),
        policy.trouble && h("p", { class: policy.status === "ok" ? "why warn" : "why bad" }, policy.trouble),
        h(
          "dl",
          { class: "facts" },
          fact("Version", h("span", { title: policy.sha256 }, policy.version)),
          fact("Since", ago(Date.parse(policy.since))),
          fact("Decisions, p50 / p99", ...times(policy.decisions)),
          fact("Calls, p50 / p99", ...times(policy.calls)),
          fact("Fallbacks", fallbacks.length ? fallbacks.map(([why, n]) => h("div", {}, `${why}: ${count(n)}`)) : "none"),
          fact("Failed calls", String(sum(policy.failures))),
          policy.memoryBytes > 0 && fact("Memory", `${Math.round(policy.memoryBytes / 104857.6) / 10} MB`),
        ),
        policy.shadow && shadow(policy.shadow),
      );
    }),
  );
}

function shadow(one) {
  return h(
    "div",
    { class: "stack" },
    h("h3", {}, "Shadow: ", h("code", {}, one.policy), one.version && ` ${one.version}`),
    one.trouble && h("p", { class: "why warn" }, one.trouble),
    h(
      "dl",
      { class: "facts" },
      fact("Agreement", share(one.agreement)),
      fact("Agreed / differed", `${count(one.agreed)} / ${count(one.differed)}`),
      fact("Sample", share(one.sample)),
      fact("Calls, p50 / p99", ...times(one.times)),
      fact("Not asked / failed", `${count(one.skipped)} / ${count(one.failed)}`),
    ),
  );
}

function files(available, native, activated) {
  fill(byId("files"), [available, activated], () => {
    if (available.length === 0) {
      return h("div", { class: "empty" }, h("strong", {}, "No policies of your own yet"), h("p", {}, "Upload a WebAssembly component, or put it into POLICIES_DIR. Native ones are always there: ", native.join(", "), "."));
    }
    const heads = ["Name", "Check", "Title and version", "Exports", "File", "In force", mayAct() ? "Actions" : ""].filter(Boolean);
    return h("table", {}, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, available.map((file) => row(file, activated))));
  });
}

const CHECKS = { true: ["ok", "Usable"], false: ["bad", "Refused"], null: ["idle", "Being checked"] };

function row(file, activated) {
  const [tone, word] = CHECKS[file.usable];
  const { name } = file;
  const buttons = [];
  if (activated === `wasm:${name}`) buttons.push(button("Deactivate", `Deactivate ${name}`, () => act("DELETE", path(name, "/activate"))));
  else if (file.usable) buttons.push(button("Activate", `Activate ${name}`, () => act("POST", path(name, "/activate"))));
  if (file.versions.length > 1) buttons.push(button("Roll back", `Roll back ${name}`, () => act("POST", path(name, "/rollback"))));
  if (file.source === "uploaded") buttons.push(button("Remove", `Remove ${name}`, () => confirm(`Remove the policy ${name}? What is in force stays until it is deactivated.`) && act("DELETE", path(name))));
  return h(
    "tr",
    { "data-policy": name },
    h("td", {}, h("strong", {}, name), h("div", { class: "soft" }, file.source, file.hidesAnother && ", hides a file of that name")),
    h("td", { class: "wrap" }, h("span", { class: `tone ${tone}` }, word), file.error && h("div", { class: "refused" }, file.error)),
    h("td", {}, file.title ? `${file.title} ${file.version}` : "–"),
    h("td", {}, (file.exports ?? []).join(", ") || "–", file.stateful && h("div", { class: "soft" }, "keeps state")),
    h("td", {}, short(file.sha256), h("div", { class: "soft" }, `${Math.ceil(file.bytes / 1024)} KB, ${file.versions.length} kept`)),
    h("td", {}, file.inForce ? "yes" : "no"),
    mayAct() && h("td", {}, h("div", { class: "row" }, buttons)),
  );
}

function history(events) {
  fill(byId("history"), events, () => {
    if (events.length === 0) return h("p", { class: "empty" }, "Nothing has changed since the start.");
    const heads = ["When", "What", "Policy", "Lanes", "File", "Detail"];
    const rows = [...events].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).map((event) =>
      h(
        "tr",
        {},
        h("td", {}, ago(Date.parse(event.at))),
        h("td", {}, event.what === "refused" ? h("span", { class: "tone bad" }, "refused") : event.what.replaceAll("_", " ")),
        h("td", {}, h("code", {}, event.policy)),
        h("td", {}, event.lanes ?? "–"),
        h("td", {}, short(event.sha256)),
        h("td", { class: "wrap" }, event.detail ?? ""),
      ),
    );
    return h("table", { class: "compact" }, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows));
  });
}

let looking = null;

/** Looks now; who asks while somebody looks gets what comes after. */
async function look() {
  while (looking) await looking;
  looking = get("/policies").then(show, (error) => setText(byId("policy-note"), error.message));
  await looking;
  looking = null;
}

function show(found) {
  setText(byId("policy-note"), `${found.inForce.length} in force`);
  fill(byId("troubles"), found.rulesError, () => found.rulesError && h("div", { class: "notice bad" }, h("span", { class: "tone bad", title: "Error" }), h("strong", {}, "policies.json cannot be used: the rules before stay in force"), h("p", {}, found.rulesError)));
  inForce(found.inForce, found.activated);
  files(found.available, found.native, found.activated);
  history(found.history);
}

byId("upload")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = byId("upload-name").value.trim();
  const [file] = byId("upload-file").files;
  const work = async () => {
    const response = await send("PUT", path(name), { body: file, headers: { "content-type": "application/wasm" } });
    const answer = await response.json().catch(() => null);
    if (!response.ok) throw new Error(answer?.error ?? `The balancer answered ${response.status}.`);
    event.target.reset();
  };
  run(event.target.querySelector("button"), work, `${name} uploaded`);
});

setInterval(() => document.hidden || look(), PAUSE);
look();
listen("", {});
