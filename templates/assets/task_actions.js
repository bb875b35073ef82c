// What may be asked for tasks.

import { act } from "./actions.js";
import { h } from "./dom.js";

const json = (value) => ({ headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

/** One action for all tasks of a filter; `dryRun` counts them. */
export const actOnAll = (action, filter, dryRun = false) => act("POST", "/tasks/actions", json({ action, filter, dryRun }));

export const retry = ({ taskId }) => act("POST", `/tasks/${taskId}/retry`);
export const cancel = ({ taskId }) => act("DELETE", `/tasks/${taskId}`);
export const promote = ({ taskId }) => act("POST", `/tasks/${taskId}/promote`);
export const prioritize = ({ taskId }, priority) => act("PATCH", `/tasks/${taskId}`, json({ priority }));
export const duplicate = (id, own) => act("POST", `/tasks/${id}/duplicate`, json(own));

/** Forgets one task: by a filter that only it matches. */
export async function remove({ taskId, group, contract, createdAt }) {
  const until = new Date(Date.parse(createdAt) + 1).toISOString();
  const { done } = await actOnAll("remove", { q: taskId, group, contract, since: createdAt, until });
  if (done === 0) throw new Error("Only what has ended can be removed.");
}

export const ACTIONS = {
  retry: { name: "Retry", done: "runs again", one: retry },
  cancel: { name: "Cancel", done: "told to stop", one: cancel, asks: true },
  remove: { name: "Remove", done: "removed", one: remove, asks: true },
};

/** Asks before something that cannot be undone. */
export function confirmed(question, verb) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "question" },
      h("form", { method: "dialog" }, h("p", { id: "question" }, question), h("div", { class: "row end" }, h("button", { value: "" }, "Back"), h("button", { value: "yes", class: "primary" }, verb))),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
