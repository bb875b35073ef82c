// What the pages of the queues ask for.

import { listen } from "./live.js";

const csrf = () => document.querySelector('meta[name="csrf-token"]').content;

/** Asks or acts; what went wrong is thrown as a sentence. */
export async function ask(path, method = "GET", body = undefined, headers = {}) {
  const options = { method, headers: { ...headers } };
  if (method !== "GET") options.headers["x-csrf-token"] = csrf();
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(`/bull/api${path}`, options);
  } catch {
    throw new Error("The balancer does not answer.");
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw Object.assign(new Error(answer?.message ?? `The balancer answered ${response.status}.`), { status: response.status });
  return answer;
}

export const queuePath = (queue, rest = "") => `/queues/${encodeURIComponent(queue)}${rest}`;
export const jobPath = (queue, job, rest = "") => queuePath(queue, `/${job}${rest}`);

/** Looks at once when the balancer says that a lane has changed, and now and then besides. */
export function follow(look) {
  let seen = null;
  let quiet = 0;
  let busy = false;
  let again = false;
  const now = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      await look();
    } while (again);
    busy = false;
  };
  listen("of=overview", {
    overview({ lanes, moreLanes }) {
      const key = JSON.stringify(lanes);
      quiet += 1;
      if (key === seen && !moreLanes && quiet < 5) return;
      seen = key;
      quiet = 0;
      now();
    },
  });
  now();
  return now;
}
