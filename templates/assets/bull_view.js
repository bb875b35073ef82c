// Queues and jobs, as all pages of them show them.

import { h, s } from "./dom.js";
import { count } from "./format.js";

export const STATES = ["active", "waiting", "prioritized", "delayed", "failed", "completed"];
export const TONES = { active: "ok", waiting: "info", prioritized: "info", delayed: "idle", failed: "bad", completed: "ok" };

export const queueLink = (queue, query = "") => `/bull/queue/${encodeURIComponent(queue)}${query}`;
export const jobLink = (queue, job) => `${queueLink(queue)}/${job}`;

/** The jobs of a queue by state, as a bar. */
export function share(counts) {
  const total = STATES.reduce((sum, state) => sum + counts[state], 0);
  let from = 0;
  const parts = total === 0 ? [] : STATES.filter((state) => counts[state] > 0).map((state) => {
    const width = (counts[state] / total) * 100;
    const part = s("rect", { class: state, x: `${from}%`, width: `${Math.max(width, 0.4)}%`, height: "100%" });
    from += width;
    return part;
  });
  return s("svg", { class: "share", "aria-hidden": "true" }, parts);
}

export const legend = (counts) => h("p", { class: "states" }, STATES.map((state) => h("span", { class: state }, state, h("b", { title: String(counts[state]) }, count(counts[state])))));

/** What may be done to a job, by its status: words of the API. */
export function actionsOf({ status }) {
  if (status === "failed" || status === "completed") return ["retry", "clean"];
  if (status === "delayed") return ["promote", "clean"];
  if (status === "active") return ["cancel"];
  return ["clean"];
}

export const WORDS = { retry: "Retry", promote: "Promote", clean: "Remove", cancel: "Cancel" };
export const DONE = { retry: "runs again", promote: "promoted", clean: "removed", cancel: "told to stop" };

export const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
