// Lines of a log: kept within bounds, filtered, followed while one looks at the end.

import { h } from "./dom.js";
import { exact } from "./format.js";

/** Lines that are kept, and shown. */
const KEPT = 5000;
/** Between two looks at a worker's log, in milliseconds; longer after each that failed. */
const ASK = 2000;
const LEVELS = ["trace", "debug", "info", "warn", "error"];
const LINE = /^\[(\d{4}-[^\]]+)\] \[(\w+)\] (?:\[([^\]]*)\] )?([\s\S]*)$/;

function parse(text) {
  const found = LINE.exec(text);
  if (!found) return { text, at: null, level: "", tag: "", message: text };
  return { text, at: Date.parse(found[1]), level: found[2].toLowerCase(), tag: found[3] ?? "", message: found[4] };
}

export class LogView {
  #lines = [];
  #shown = h("div", { class: "log", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Lines" });
  #filter = { level: "", text: "", task: "" };
  #paused = false;
  #held = [];
  #empty;

  constructor(parent, empty = "Nothing has been logged yet.") {
    this.#empty = empty;
    parent.replaceChildren(this.#shown);
    this.#render();
  }

  /** Calls back whenever the numbers of lines change: those kept, those shown, those held back. */
  onchange = () => {};

  get #followed() {
    const { scrollTop, clientHeight, scrollHeight } = this.#shown;
    return scrollHeight - clientHeight - scrollTop < 40;
  }

  /** Begins anew with these lines. */
  replace(texts) {
    this.#lines = texts.slice(-KEPT).map(parse);
    this.#held = [];
    this.#render();
  }

  /** Adds lines. `missed` were left out before them. */
  add(texts, missed = 0) {
    const lines = texts.map(parse);
    if (missed > 0) lines.unshift({ gap: `${missed} lines were left out`, text: "" });
    if (this.#paused) {
      this.#held.push(...lines);
      this.#held.splice(0, this.#held.length - KEPT);
      this.#tell();
      return;
    }
    const followed = this.#followed;
    this.#lines.push(...lines);
    const over = this.#lines.length - KEPT;
    if (over > 0) {
      this.#lines.splice(0, over);
      this.#render();
    } else {
      this.#shown.querySelector(".none")?.remove();
      this.#shown.append(...lines.filter((line) => this.#matches(line)).map((line) => this.#node(line)));
      if (!this.#shown.childElementCount) this.#render();
    }
    if (followed) this.#end();
    this.#tell();
  }

  set filter(filter) {
    this.#filter = filter;
    this.#render();
  }

  set paused(paused) {
    this.#paused = paused;
    if (!paused) {
      const held = this.#held;
      this.#held = [];
      this.#lines.push(...held);
      this.#lines.splice(0, this.#lines.length - KEPT);
      this.#render();
    }
    this.#tell();
  }

  /** What is shown, as text. */
  get text() {
    return this.#lines.filter((line) => this.#matches(line) && !line.gap).map(({ text }) => text).join("\n");
  }

  #matches({ gap, level, text }) {
    const { level: least, text: part, task } = this.#filter;
    if (gap) return true;
    if (least && LEVELS.indexOf(level) < LEVELS.indexOf(least)) return false;
    return (!part || text.toLowerCase().includes(part.toLowerCase())) && (!task || text.includes(task));
  }

  #render() {
    const lines = this.#lines.filter((line) => this.#matches(line));
    const none = h("p", { class: "none" }, this.#lines.length ? "No line matches the filters." : this.#empty);
    this.#shown.replaceChildren(...(lines.length ? lines.map((line) => this.#node(line)) : [none]));
    this.#end();
    this.#tell();
  }

  #node(line) {
    if (line.gap) return h("p", { class: "gap" }, line.gap);
    const { at, level, tag, message } = line;
    const time = at ? h("time", { datetime: new Date(at).toISOString(), title: exact(at) }, timeOf(at)) : h("span");
    return h("p", { class: level }, time, h("span", { class: "level" }, level), h("span", { class: "text" }, tag && h("b", {}, `${tag.toLowerCase()}  `), this.#marked(message)));
  }

  #marked(message) {
    const part = this.#filter.text || this.#filter.task;
    if (!part) return message;
    const pieces = [];
    let rest = 0;
    for (let found = message.toLowerCase().indexOf(part.toLowerCase()); found >= 0; found = message.toLowerCase().indexOf(part.toLowerCase(), rest)) {
      pieces.push(message.slice(rest, found), h("mark", {}, message.slice(found, found + part.length)));
      rest = found + part.length;
    }
    return [...pieces, message.slice(rest)];
  }

  #end() {
    this.#shown.scrollTop = this.#shown.scrollHeight;
  }

  #tell() {
    this.onchange({ kept: this.#lines.length, held: this.#held.length });
  }
}

const timeOf = (at) => new Date(at).toLocaleTimeString("en-GB", { hour12: false }) + `.${String(at % 1000).padStart(3, "0")}`;

/** Follows a worker's log: it is asked for again and again, and what is new since is told. `stop()` ends that. */
export function followWorker(name, view, failed) {
  let last = null;
  let stopped = false;
  let wait = ASK;
  const ask = async () => {
    try {
      const response = await fetch(`/dashboard/api/workers/${name}/logs`);
      const body = await response.json();
      if (stopped) return;
      if (!response.ok) throw new Error(body.error);
      if (last === null) view.replace(body.logs);
      else {
        const { lines, missed } = since(last, body.logs);
        if (lines.length) view.add(lines, missed);
      }
      last = body.logs.slice(-50);
      wait = ASK;
      failed(null);
    } catch (error) {
      wait = Math.min(wait * 2, 30000);
      if (!stopped) failed(error.message);
    }
  };
  const again = async () => {
    if (!document.hidden) await ask();
    if (!stopped) setTimeout(again, wait);
  };
  again();
  return () => {
    stopped = true;
  };
}

/** The lines after those that are known. */
function since(known, lines) {
  if (known.length === 0) return { lines, missed: 0 };
  for (let end = lines.length; end >= known.length; end -= 1) {
    const same = known.every((line, at) => lines[end - known.length + at] === line);
    if (same) return { lines: lines.slice(end), missed: 0 };
  }
  // It has logged more than it keeps since then, or was started anew.
  return { lines, missed: 0 };
}
