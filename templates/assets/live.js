// The stream of what changes. It opens itself again, and says how it stands.

const SILENCE = 6000;
const HIDDEN = 30000;

/** Listens: `handlers` by event name. */
export function listen(query, handlers) {
  let source = null;
  let failures = 0;
  let heard = 0;
  let timer = null;
  let hiding = null;
  let known = false;

  const open = () => {
    clearTimeout(timer);
    source?.close();
    if (failures === 0 && !known) say("connecting");
    heard = Date.now();
    source = new EventSource(`/dashboard/api/live?${query}`);
    const hear = (handler) => (event) => {
      heard = Date.now();
      failures = 0;
      known = true;
      say("live");
      handler?.(JSON.parse(event.data));
    };
    for (const [name, handler] of Object.entries(handlers)) source.addEventListener(name, hear(handler));
    source.addEventListener("quiet", hear(null));
    source.addEventListener("error", lose);
  };

  const lose = async () => {
    source?.close();
    source = null;
    clearTimeout(timer);
    failures += 1;
    say("lost");
    if (await loggedOut()) {
      location.assign(`/dashboard/login?next=${encodeURIComponent(location.pathname + location.search)}`);
      return;
    }
    clearTimeout(timer);
    timer = setTimeout(open, Math.min(500 * 2 ** Math.min(failures - 1, 4), 5000));
  };

  // A line that breaks without a word is noticed by its silence.
  setInterval(() => {
    if (source && Date.now() - heard > SILENCE) lose();
  }, 1000);

  // Nobody looks: nothing is asked for.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(() => {
        clearTimeout(timer);
        source?.close();
        source = null;
      }, HIDDEN);
    } else if (!source) {
      open();
    }
  });
  window.addEventListener("pagehide", () => source?.close());
  open();
}

async function loggedOut() {
  try {
    return (await fetch("/dashboard/api/session")).status === 401;
  } catch {
    return false;
  }
}

const WORDS = { connecting: "Connecting", live: "Live", lost: "Reconnecting…" };

function say(state) {
  const node = document.getElementById("live-state");
  if (node.dataset.state === state) return;
  node.dataset.state = state;
  node.querySelector("span").textContent = WORDS[state];
}
