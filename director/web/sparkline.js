import { svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;

/** The last minute of one number as a small curve. */
export class Sparkline {
  #values = [];
  #length;
  #line = svg("polyline", { class: "spark-line" });
  #area = svg("polygon", { class: "spark-area" });

  /** @param {{label: string, length?: number}} options */
  constructor({ label, length = 60 }) {
    this.#length = length;
    const attributes = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "spark", role: "img", "aria-label": label };
    this.element = svg("svg", { ...attributes, preserveAspectRatio: "none" }, this.#area, this.#line);
  }

  /** @param {number} value not negative */
  push(value) {
    this.#values = [...this.#values, value].slice(-this.#length);
    const top = Math.max(...this.#values) || 1;
    const step = WIDTH / (this.#length - 1);
    const first = WIDTH - (this.#values.length - 1) * step;
    const points = this.#values.map((each, i) => `${(first + i * step).toFixed(1)},${(HEIGHT - 2 - (each / top) * (HEIGHT - 4)).toFixed(1)}`);
    this.#line.setAttribute("points", points.join(" "));
    this.#area.setAttribute("points", `${first.toFixed(1)},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`);
  }
}
