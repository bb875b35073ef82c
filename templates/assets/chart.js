// A line chart that keeps up with what it is given.

import { h, s } from "./dom.js";
import { clock, exact } from "./format.js";

const TOP = 16;
const BOTTOM = 18;
/** Samples that may be missing within a line, at most. */
const BRIDGE = 12;

export class Chart {
  #node;
  #series;
  #format;
  #label;
  #floor;
  #data = null;
  #tip = null;
  #at = null;
  #size = { width: 0, height: 0 };

  /** `series`: `{ name, style, area }` each; `format` makes the text of a value; the scale ends no lower than at `floor`. */
  constructor(label, series, format, floor = 1) {
    this.#series = series;
    this.#format = format;
    this.#label = label;
    this.#floor = floor;
    this.#node = h("div", { class: "chart", role: "img", "aria-label": label });
    new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      this.#size = { width, height };
      this.#draw();
    }).observe(this.#node);
    this.#node.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    this.#node.addEventListener("pointerleave", () => this.#point(null));
  }

  get node() {
    return this.#node;
  }

  /** `times` in milliseconds, a list of values for each series (`null` where there is none), and the seconds shown. */
  show(times, columns, span) {
    this.#data = { times, columns, span };
    this.#draw();
  }

  #scales() {
    const { times, columns, span } = this.#data;
    const { width, height } = this.#size;
    const end = times.at(-1) ?? Date.now();
    const start = end - span * 1000;
    let highest = this.#floor;
    for (const column of columns) for (const value of column) if (value > highest) highest = value;
    const top = nice(highest);
    const x = (time) => ((time - start) / (end - start)) * width;
    const y = (value) => height - BOTTOM - (value / top) * (height - TOP - BOTTOM);
    return { x, y, top, start, end };
  }

  #draw() {
    const { width, height } = this.#size;
    if (!this.#data || width === 0) return;
    const { times, columns, span } = this.#data;
    const { x, y, top, start, end } = this.#scales();
    const line = (level) => s("line", { class: "grid", x1: 0, x2: width, y1: y(level), y2: y(level) });
    const scale = (level) => s("text", { class: "axis", x: 0, y: y(level) - 4 }, this.#format(level));
    const parts = [0, top / 2, top].map(line);
    columns.forEach((column, at) => {
      const { style, area } = this.#series[at];
      const group = s("g", { class: style });
      if (area) group.append(s("path", { class: "area", d: shape(times, column, x, y, true) }));
      group.append(s("path", { class: "line", d: shape(times, column, x, y, false) }));
      parts.push(group);
    });
    const label = (time, anchor) =>
      s("text", { class: "axis", x: x(time), y: height - 4, "text-anchor": anchor }, moment(time, span));
    parts.push(scale(top / 2), scale(top), label(start, "start"), label((start + end) / 2, "middle"), label(end, "end"));
    if (this.#at !== null) parts.push(s("line", { class: "cross", x1: x(this.#at), x2: x(this.#at), y1: TOP - 6, y2: y(0) }));
    this.#node.replaceChildren(
      s("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, parts),
      ...(times.length === 0 ? [h("p", { class: "none" }, "The first figures come within seconds")] : []),
      ...(this.#tip ? [this.#tip] : []),
    );
    this.#describe();
  }

  #describe() {
    const now = this.#series.map(({ name }, at) => `${name} ${this.#format(this.#data.columns[at].at(-1) ?? 0)}`);
    this.#node.setAttribute("aria-label", `${this.#label}: ${now.join(", ")}`);
  }

  #point(offset) {
    if (offset === null || !this.#data?.times.length) {
      this.#at = null;
      this.#tip = null;
      this.#draw();
      return;
    }
    const { times, columns } = this.#data;
    const { x } = this.#scales();
    let nearest = 0;
    times.forEach((time, at) => {
      if (Math.abs(x(time) - offset) < Math.abs(x(times[nearest]) - offset)) nearest = at;
    });
    this.#at = times[nearest];
    const value = ({ name, style }, at) => {
      const found = columns[at][nearest];
      return h("div", { class: style }, h("span", {}, name), h("b", {}, found === null ? "–" : this.#format(found)));
    };
    this.#tip = h("div", { class: "tip" }, h("p", {}, exact(times[nearest])), this.#series.map(value));
    const left = x(times[nearest]);
    if (left > this.#size.width / 2) this.#tip.style.right = `${this.#size.width - left + 10}px`;
    else this.#tip.style.left = `${left + 10}px`;
    this.#draw();
  }
}

function shape(times, column, x, y, area) {
  let path = "";
  let from = null;
  let last = null;
  let missing = 0;
  const close = () => {
    if (area && from !== null) path += `L${x(times[last]).toFixed(1)} ${y(0)}L${x(times[from]).toFixed(1)} ${y(0)}Z`;
    from = null;
  };
  column.forEach((value, at) => {
    if (value === null || x(times[at]) < 0) {
      missing += 1;
      return;
    }
    if (from !== null && missing > BRIDGE) close();
    const place = `${x(times[at]).toFixed(1)} ${y(value).toFixed(1)}`;
    path += from === null ? `M${place}h.01` : `L${place}`;
    from ??= at;
    last = at;
    missing = 0;
  });
  close();
  return path;
}

/** The next number that reads well. */
function nice(number) {
  const scale = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 4, 6, 8, 10].map((step) => step * scale).find((step) => step >= number * 0.999);
}

function moment(time, span) {
  const text = clock(time);
  return span > 600 ? text.slice(0, 5) : text;
}
