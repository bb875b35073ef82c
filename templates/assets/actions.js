// What a page asks the balancer to do.

const csrf = () => document.querySelector('meta[name="csrf-token"]').content;

/** Sends a request with the page's token. */
export const send = (method, path, options = {}) =>
  fetch(`/dashboard/api${path}`, { ...options, method, headers: { ...options.headers, "x-csrf-token": csrf() } });

/** Sends an action; what went wrong is thrown as a sentence. */
export async function act(method, path, options) {
  let response;
  try {
    response = await send(method, path, options);
  } catch {
    throw new Error("The balancer does not answer.");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error ?? `The balancer answered ${response.status}.`);
  return body;
}

/** Asks for something. */
export async function get(path) {
  const response = await fetch(`/dashboard/api${path}`);
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error ?? `The balancer answered ${response.status}.`);
  return body;
}
