// What all pages have: the theme, and links that are known to be pages.

import { byId, toast } from "./dom.js";

const THEMES = { auto: "System theme", light: "Light theme", dark: "Dark theme" };
const root = document.documentElement;

byId("theme").addEventListener("click", () => {
  const order = Object.keys(THEMES);
  const next = order[(order.indexOf(root.dataset.theme ?? "auto") + 1) % order.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    if (next === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", next);
  } catch {
    // Then it is for this page only.
  }
  toast(THEMES[next]);
});

// On a phone the navigation may be wider than the screen.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// A page that does not listen has no state of a stream to show.
if (!document.querySelector('script[type="module"]:not([src$="/shell.js"])')) byId("live-state").dataset.state = "static";
