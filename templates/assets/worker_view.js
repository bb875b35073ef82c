// A worker, as a card and as a row of a table.

import { fill, h, s, setClass, setText } from "./dom.js";
import { ago, host, length, millis, nameOf, percent } from "./format.js";

export const WORDS = {
  ready: "Ready",
  blocked: "Blocked",
  maintenance: "Maintenance",
  mismatch: "Contract differs",
  unreachable: "Unreachable",
  offline: "Offline",
  unauthorized: "Wrong key",
};

export const word = (status) => WORDS[status] ?? status;
export const page = (url) => `/dashboard/workers/${nameOf(url)}`;
export const laneOf = (worker) => (worker.group === null ? "" : `${worker.group} / ${worker.contract}`);

/** A level of a figure that should not be high. */
export const heat = (value, hot, fire) => (value === null ? "" : value >= fire ? "fire" : value >= hot ? "hot" : "");

/** How full a worker is: ours, others', free. */
export function bar(slots, inFlight) {
  const limit = Math.max(slots?.limit ?? 0, 1);
  const own = Math.min(inFlight, limit);
  const other = Math.max(0, Math.min(slots?.used ?? 0, limit) - own);
  const share = (part) => `${(part / limit) * 100}%`;
  return s(
    "svg",
    { class: "bar", "aria-hidden": "true" },
    s("rect", { class: "own", width: share(own), height: "100%" }),
    s("rect", { class: "other", x: share(own), width: share(other), height: "100%" }),
  );
}

export const taken = ({ slots, inFlight }) => Math.max(slots?.used ?? 0, inFlight);

export function parameterText(parameters) {
  const all = Object.entries(parameters ?? {});
  if (all.length === 0) return "no parameters";
  return all.map(([name, about]) => `${name}: ${about?.type ?? "any"}${about?.required ? "" : "?"}`).join(", ");
}

export const namesOf = (functions) => (functions ?? []).map((one) => (typeof one === "string" ? { name: one } : one));

export function tags(worker) {
  const services = worker.services.map(({ name, state, status }) =>
    h("span", { class: state === "up" ? "tag" : "tag down", title: `service ${name}: ${state}${status ? ` (${status})` : ""}` }, state === "up" ? name : `${name}: ${state}`),
  );
  return [...worker.tags.map((tag) => h("span", { class: "tag", title: `tag ${tag}` }, tag)), ...services];
}

const silence = (worker) => worker.silentSince && h("span", { class: "soft" }, "last seen ", ago(worker.silentSince * 1000));

/** A card. `offers` are the lists of functions by name. */
export function card(first, offers) {
  const status = h("span");
  const link = h("a", { href: page(first.url) }, host(first.url));
  const sub = h("p", { class: "sub" });
  const why = h("p");
  const numbers = h("p");
  const slots = h("div", { class: "slots" });
  const figures = Object.fromEntries(["CPU load", "Memory", "Latency", "Failures"].map((name) => [name, h("dd")]));
  const gauges = h("dl", { class: "gauges" }, Object.entries(figures).map(([name, node]) => h("div", {}, h("dt", {}, name), node)));
  const labels = h("div", { class: "tags" });
  const node = h("article", { class: "panel card" }, h("div", {}, h("div", { class: "top" }, link, status), sub), why, slots, gauges, labels);

  const update = (worker) => {
    setClass(status, `tone ${worker.tone}`);
    setText(status, word(worker.status));
    fill(sub, [laneOf(worker), worker.silentSince], () => [h("span", {}, laneOf(worker) || "no lane yet"), silence(worker)]);
    why.hidden = !worker.why;
    setClass(why, `why ${worker.tone}`);
    setText(why, worker.why ?? "");
    const idle = worker.slots === null;
    slots.hidden = idle;
    gauges.hidden = idle;
    if (!idle) {
      fill(slots, [worker.slots, worker.inFlight], () => [
        h("p", {}, h("span", {}, h("b", {}, taken(worker)), ` of ${worker.slots.limit} slots`), worker.slots.queue > 0 && h("span", {}, `${worker.slots.queue} in its queue`)),
        bar(worker.slots, worker.inFlight),
      ]);
      gauge(figures["CPU load"], percent(worker.cpu), heat(worker.cpu, 80, 120));
      gauge(figures.Memory, percent(worker.memory), heat(worker.memory, 85, 95));
      gauge(figures.Latency, millis(worker.latencyMs), "");
      gauge(figures.Failures, percent(worker.failures), heat(worker.failures, 10, 40));
    }
    fill(labels, [worker.offer, worker.tags, worker.services], () => {
      const functions = namesOf(offers.get(worker.offer));
      const shown = functions.slice(0, 5).map(({ name, params }) => h("span", { class: "tag fn", title: `${name}(${parameterText(params)})` }, `${name}()`));
      const more = functions.length > 5 && h("span", { class: "tag fn", title: functions.slice(5).map(({ name }) => name).join(", ") }, `+${functions.length - 5}`);
      return [shown, more, tags(worker)];
    });
  };
  return { node, update };
}

function gauge(node, text, level) {
  setText(node, text);
  setClass(node, level);
}

export const HEADS = ["Worker", "Status", "Lane", "Slots", "Queue", "CPU load", "Memory", "Latency", "Failures"];

/** A row. */
export function row(first) {
  const status = h("span");
  const lane = h("td");
  const slots = h("td");
  const cells = ["queue", "cpu", "memory", "latency", "failures"].map(() => h("td", { class: "num" }));
  const node = h("tr", {}, h("td", {}, h("a", { href: page(first.url) }, host(first.url))), h("td", {}, status), lane, slots, cells);
  const update = (worker) => {
    setClass(status, `tone ${worker.tone}`);
    setText(status, word(worker.status));
    status.title = worker.why ?? "";
    setText(lane, laneOf(worker) || "–");
    fill(slots, [worker.slots, worker.inFlight], () => (worker.slots ? [bar(worker.slots, worker.inFlight), h("span", {}, `${taken(worker)} / ${worker.slots.limit}`)] : "–"));
    const texts = [worker.slots?.queue || "–", percent(worker.cpu), percent(worker.memory), millis(worker.latencyMs), percent(worker.failures)];
    const levels = ["", heat(worker.cpu, 80, 120), heat(worker.memory, 85, 95), "", heat(worker.failures, 10, 40)];
    cells.forEach((cell, at) => {
      setText(cell, texts[at]);
      setClass(cell, `num ${levels[at]}`.trim());
    });
  };
  return { node, update };
}

export const age = (started) => (started === null ? "–" : ago(started * 1000, length));
