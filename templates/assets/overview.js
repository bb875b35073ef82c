// The first page.

import { act } from "./actions.js";
import { Chart } from "./chart.js";
import { byId, choice, fill, h, island, keyed, mayAct, parameters, setClass, setText, toast } from "./dom.js";
import { ago, clockIs, count, length, millis, rate } from "./format.js";
import { listen } from "./live.js";
import { get } from "./actions.js";

const SPANS = { "5m": 300, "1h": 3600, "24h": 86400 };
/** Seconds that rates are averaged over where samples are a second apart. */
const SMOOTH = 5;

const initial = island();
const names = initial.history.columns;
const column = Object.fromEntries(names.map((name, at) => [name, at]));
const histories = new Map([["5m", initial.history.samples]]);
const address = parameters();
let range = address.get("range") in SPANS ? address.get("range") : "5m";

// Figures

const figures = [
  {
    title: "Throughput",
    unit: "tasks / s",
    wide: true,
    series: [
      { name: "done", style: "s1", area: true, of: ["completed"], smooth: true },
      { name: "accepted", style: "s2", of: ["submitted"], smooth: true },
    ],
    format: rate,
  },
  {
    title: "Latency, from submission to end",
    wide: true,
    lead: "p95",
    series: [
      { name: "p50", style: "s1", of: ["p50"] },
      { name: "p95", style: "s2", of: ["p95"] },
      { name: "p99", style: "s3", of: ["p99"] },
    ],
    format: millis,
    held: true,
  },
  {
    title: "Queue",
    unit: "waiting",
    series: [
      { name: "waiting", style: "s1", area: true, of: ["queued"] },
      { name: "delayed", style: "s2", of: ["delayed"] },
    ],
    format: count,
  },
  {
    title: "Slots",
    unit: "in use",
    series: [
      { name: "in use", style: "s1", area: true, of: ["used"] },
      { name: "all", style: "s5", of: ["limit"] },
    ],
    format: count,
  },
  {
    title: "Failures",
    unit: "tasks / s",
    series: [
      { name: "failed tasks", style: "s4", area: true, of: ["failed"], smooth: true },
      { name: "bad runs", style: "s3", of: ["badAttempts"], smooth: true },
    ],
    format: rate,
  },
].map((figure) => {
  const chart = new Chart(figure.title, figure.series, figure.format, figure.format === millis ? 10 : figure.format === count ? 2 : 1);
  const big = h("span");
  const values = figure.series.map(() => h("b"));
  const legend = figure.series.map(({ name, style }, at) => h("span", { class: style }, name, values[at]));
  const node = h(
    "article",
    { class: figure.wide ? "panel figure wide" : "panel figure" },
    h("h2", {}, figure.title),
    h("div", { class: "now" }, h("p", { class: "big" }, big, figure.unit ? h("small", {}, figure.unit) : h("small", {}, figure.lead)), h("div", { class: "legend" }, legend)),
    chart.node,
  );
  byId("figures").append(node);
  return { ...figure, chart, big, values };
});

function values(series, samples) {
  const raw = samples.map((sample) => sample[column[series.of[0]]]);
  if (!series.smooth || range !== "5m") return raw;
  return raw.map((_, at) => {
    const some = raw.slice(Math.max(0, at - SMOOTH + 1), at + 1);
    return some.reduce((sum, value) => sum + value, 0) / some.length;
  });
}

function draw() {
  const samples = histories.get(range) ?? [];
  const times = samples.map((sample) => sample[column.at]);
  for (const figure of figures) {
    const columns = figure.series.map((series) => values(series, samples));
    figure.chart.show(times, columns, SPANS[range]);
    const latest = columns.map((all) => (figure.held ? (all.findLast((value) => value !== null) ?? null) : (all.at(-1) ?? 0)));
    const lead = Math.max(0, figure.series.findIndex(({ name }) => name === figure.lead));
    setText(figure.big, figure.format(latest[lead]));
    figure.values.forEach((node, at) => setText(node, figure.format(latest[at])));
  }
}

function take(samples) {
  for (const [word, sample] of Object.entries(samples)) {
    const all = histories.get(word);
    if (!all || sample[column.at] <= (all.at(-1)?.[column.at] ?? 0)) continue;
    all.push(sample);
    const oldest = sample[column.at] - SPANS[word] * 1000;
    while (all.length && all[0][column.at] < oldest) all.shift();
  }
}

async function load(word) {
  try {
    histories.set(word, (await get(`/history?range=${word}`)).samples);
    draw();
  } catch (error) {
    toast(error.message, true);
  }
}

const showRange = choice(byId("ranges"), "range", (word) => {
  range = word;
  address.set("range", word === "5m" ? "" : word);
  draw();
  load(word);
});
showRange(range);

// What needs attention

const LEVELS = { bad: "Needs attention", warn: "Look at this", info: "For your information" };

function attention({ attention: notices, workers, policy, lanes }) {
  const total = Object.values(workers).reduce((sum, some) => sum + some, 0);
  const shown = notices.map((notice) => ({ ...notice }));
  fill(byId("attention"), [shown, workers, policy], () => {
    const list = shown.map(({ level, title, detail, href }) =>
      h(
        "div",
        { class: `notice ${level}` },
        h("span", { class: `tone ${level}`, title: LEVELS[level] }),
        h("strong", {}, title),
        h("p", {}, detail),
        href && h("a", { href, "aria-label": `Look: ${title}` }, "Look"),
      ),
    );
    if (total === 0) return list;
    const ready = workers.ready ?? 0;
    const calm = h(
      "p",
      { class: "calm" },
      shown.length === 0 && h("span", { class: "tone ok" }, "All is well"),
      h("a", { href: "/dashboard/workers" }, `${ready} of ${total} ${total === 1 ? "worker" : "workers"} ready`),
      h("span", {}, `${lanes?.length ?? 0} ${lanes?.length === 1 ? "lane" : "lanes"}`),
      h("span", {}, "policy ", h("code", {}, policy)),
    );
    return [...list, calm];
  });
  byId("first-run").hidden = total > 0;
}

// Lanes

const STATES = {
  "no-workers": ["bad", "No workers", "Tasks wait, and no worker of this lane is ready"],
  starving: ["warn", "Starving", "Tasks wait beside free slots"],
  paused: ["info", "Paused", "Somebody has stopped it: what waits stays"],
  busy: ["ok", "Backlog", "All slots are busy, and tasks wait"],
  flowing: ["ok", "Flowing", "Whatever comes is run at once"],
  idle: ["idle", "Idle", "No tasks"],
};
const HEADS = ["Lane", "State", ...(mayAct() ? [""] : []), "Waiting", "Oldest", "Running", "Delayed", "Workers", "Free slots", "Done", "Failed"];
const NUMBERS = ["queued", "oldest", "running", "delayed", "workers", "free", "completed", "failed"];

let body = null;

function lanes({ lanes: rows, moreLanes }) {
  setText(byId("lanes-note"), moreLanes ? `${moreLanes} more are not shown` : "");
  if (!rows?.length) {
    body = null;
    fill(byId("lanes"), rows === null, () =>
      rows === null
        ? h("p", { class: "empty" }, "The queue does not say how its lanes stand.")
        : h("div", { class: "empty" }, h("strong", {}, "No lanes yet"), h("p", {}, "A lane is a group of workers with one contract. It appears with its first worker or task.")),
    );
    return;
  }
  if (!body?.isConnected) {
    body = h("tbody");
    const head = HEADS.map((name, at) => h("th", { scope: "col", class: at > HEADS.length - 9 ? "num" : null }, name || h("span", { class: "sr" }, "Actions")));
    byId("lanes").shownKey = null;
    byId("lanes").replaceChildren(h("table", { class: "lanes" }, h("thead", {}, h("tr", {}, head)), body));
  }
  keyed(body, rows, (row) => `${row.group}/${row.contract}`, lane);
}

function lane({ group, contract }) {
  const path = `/lanes/${encodeURIComponent(group)}/${contract}`;
  const state = h("span");
  const button = mayAct() && h("button", { type: "button", class: "small" });
  const cells = Object.fromEntries(NUMBERS.map((name) => [name, h("td", { class: "num" })]));
  let paused = false;
  if (button) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await act("POST", `${path}/${paused ? "resume" : "pause"}`);
        toast(`${group} / ${contract} ${paused ? "resumed" : "paused"}`);
      } catch (error) {
        toast(error.message, true);
      }
      button.disabled = false;
    });
  }
  const name = h("td", {}, h("strong", {}, group), h("span", { class: "soft" }, ` / ${contract}`));
  const node = h("tr", { "data-lane": `${group}/${contract}` }, name, h("td", {}, state), button && h("td", {}, button), Object.values(cells));
  const update = (row) => {
    const [tone, word, title] = STATES[row.state];
    setClass(state, `tone ${tone}`);
    setText(state, word);
    state.title = title;
    paused = row.state === "paused";
    if (button) {
      setText(button, paused ? "Resume" : "Pause");
      button.setAttribute("aria-label", `${paused ? "Resume" : "Pause"} ${group} / ${contract}`);
    }
    for (const name of NUMBERS) {
      if (name === "oldest") {
        fill(cells.oldest, row.oldest, () => (row.oldest ? ago(row.oldest, length) : h("span", { class: "zero" }, "–")));
      } else {
        fill(cells[name], row[name], () => (row[name] ? h("span", { title: String(row[name]) }, count(row[name])) : h("span", { class: "zero" }, "0")));
      }
    }
  };
  return { node, update };
}

function show(overview) {
  clockIs(overview.now);
  take(overview.samples);
  draw();
  attention(overview);
  lanes(overview);
}

show(initial.overview);
if (range !== "5m") load(range);
listen("of=overview", { overview: show });
