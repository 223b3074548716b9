import { svg } from "./dom.js";
import { layout } from "./layout.js";

const LOSS = { noticed: 0.005, bad: 0.03 };

/** The live picture of a Node: who publishes, which Workers forward, who watches. */
export class Picture {
  #root;
  #layers = { streams: svg("g"), boxes: svg("g") };
  #elements = new Map();
  #seen = new Set();

  /** @param {SVGSVGElement} root */
  constructor(root) {
    this.#root = root;
    root.append(this.#layers.streams, this.#layers.boxes);
  }

  /** @param {any} overview the answer of `GET /demo/overview` */
  show(overview) {
    const { width, height, boxes, streams } = layout(overview);
    this.#root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#root.style.setProperty("aspect-ratio", `${width} / ${height}`);
    this.#seen.clear();
    for (const each of streams) this.#drawStream(each);
    for (const each of boxes) this.#drawBox(each);
    this.#sweep();
  }

  /** @param {import("./layout.js").Stream} stream */
  #drawStream({ key, from, to, bitsBps, packetsPerS, loss, hue, label }) {
    const path = this.#put(this.#layers.streams, key, () => svg("path", {}, svg("title")));
    const bend = (to[0] - from[0]) / 2;
    path.setAttribute("d", `M${from} C${from[0] + bend},${from[1]} ${to[0] - bend},${to[1]} ${to}`);
    path.setAttribute("class", `stream ${bitsBps > 0 ? "flows" : ""} ${lossClass(loss)}`);
    path.setAttribute("stroke-width", (1.2 + Math.log10(1 + bitsBps / 20_000) * 1.8).toFixed(1));
    path.style.setProperty("--hue", hue);
    path.classList.toggle("mixed", hue < 0);
    path.style.setProperty("--pace", `${packetsPerS > 0 ? clamp(60 / packetsPerS, 0.35, 2).toFixed(1) : 2}s`);
    path.firstChild.textContent = label;
  }

  /** @param {import("./layout.js").Box} box */
  #drawBox({ key, kind, x, y, width, height, title, lines, details = [], hue, load, live }) {
    const group = this.#put(this.#layers.boxes, key, () => emptyBox(lines.length));
    group.setAttribute("class", `box ${kind} ${live ? "" : "waits"} ${hue < 0 ? "mixed" : ""}`);
    group.setAttribute("transform", `translate(${x} ${y})`);
    group.setAttribute("data-testid", `picture-${kind}`);
    group.style.setProperty("--hue", hue);
    const [tip, frame, bar, ...texts] = group.children;
    tip.textContent = [title, ...lines, ...details].join("\n");
    setAll(frame, { width, height });
    setAll(bar, { y: height - 5, x: 1, height: 4, width: (width - 2) * clamp(load ?? 0, 0, 1) });
    bar.toggleAttribute("hidden", load === null);
    [title, ...lines].forEach((text, i) => {
      texts[i].textContent = clipped(text, i === 0 ? width / 8.2 : width / 6.6);
    });
  }

  #put(layer, key, make) {
    let element = this.#elements.get(key);
    if (!element) {
      element = make();
      this.#elements.set(key, element);
      layer.append(element);
    }
    this.#seen.add(key);
    return element;
  }

  #sweep() {
    for (const [key, element] of this.#elements) {
      if (this.#seen.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
  }
}

function emptyBox(lines) {
  const texts = Array.from({ length: lines + 1 }, (_, i) =>
    svg("text", { x: 14, y: i === 0 ? 21 : 23 + i * 17, class: i === 0 ? "title" : "line" }),
  );
  return svg("g", {}, svg("title"), svg("rect", { rx: 10, class: "frame" }), svg("rect", { rx: 2, class: "load" }), ...texts);
}

function setAll(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const clipped = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
const lossClass = (loss) => (loss >= LOSS.bad ? "loses-much" : loss >= LOSS.noticed ? "loses" : "");
