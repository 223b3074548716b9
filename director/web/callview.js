import { html } from "./dom.js";
import { bits, millis, percent } from "./format.js";
import { Problem } from "./problem.js";
import { Sparkline } from "./sparkline.js";
import { Meter } from "./stats.js";

const STATES = {
  idle: "not joined",
  joining: "joining",
  connecting: "connecting",
  live: "live",
  restarting: "finding a new path",
  waiting: "trying again soon",
  left: "left",
  refused: "refused",
};

/** What every Call shows of itself: a state badge, its latest problem, a bit rate curve and a table of streams. */
export class CallView {
  #meter = null;
  #call;
  #badge = html("span", { class: "badge", "data-testid": "state" });
  #problem = note();
  #curve = new Sparkline({ label: "Bit rate over the last minute" });
  #rate = html("output", { class: "rate", "data-testid": "rate" });
  #rows = html("tbody");

  /** @param {import("./call.js").Call} call */
  constructor(call) {
    this.#call = call;
    call.addEventListener("state", () => this.#showState());
    call.addEventListener("problem", ({ detail }) => this.showProblem(detail));
    this.#showState();
  }

  get badge() {
    return this.#badge;
  }

  get problem() {
    return this.#problem;
  }

  /** The curve with its current value, and the table folded below. */
  get stats() {
    const head = ["Stream", "Codec", "Bit rate", "Picture", "Loss", "Jitter", "RTT"].map((each) => html("th", { scope: "col" }, each));
    return html(
      "details",
      { class: "stats" },
      html("summary", {}, this.#curve.element, this.#rate),
      html("table", { "data-testid": "stats" }, html("thead", {}, html("tr", {}, ...head)), this.#rows),
    );
  }

  /** Reads getStats once and redraws. */
  async refresh() {
    const { pc } = this.#call;
    if (!pc) return;
    if (this.#meter?.pc !== pc) this.#meter = new Meter(pc);
    const rows = await this.#meter.read();
    const total = rows.reduce((sum, row) => sum + row.bitsBps, 0);
    this.#curve.push(total);
    this.#rate.textContent = bits(total);
    this.#rows.replaceChildren(...rows.map(tableRow));
  }

  /** @param {unknown} cause */
  showProblem(cause) {
    tell(this.#problem, cause);
  }

  #showState() {
    const { state } = this.#call;
    this.#badge.textContent = STATES[state];
    this.#badge.dataset.state = state;
    if (state === "live") this.#problem.hidden = true;
  }
}

/**
 * A problem that no Call is there to show.
 * @param {unknown} cause
 */
export function problemNote(cause) {
  const element = note();
  tell(element, cause);
  return element;
}

function note() {
  return html("p", { class: "problem", role: "alert", "data-testid": "problem", hidden: true });
}

function tell(element, cause) {
  const problem = Problem.of(cause);
  element.replaceChildren(html("strong", {}, problem.title), problem.detail ? ` ${problem.detail}` : "");
  element.hidden = false;
}

/** @param {import("./stats.js").StreamReading} row */
function tableRow(row) {
  const arrow = row.direction === "inbound" ? "↓" : "↑";
  const picture = row.width ? `${row.width}×${row.height} ${Math.round(row.fps)} fps` : "–";
  const cells = [`${arrow} ${row.kind} ${row.rid}`, row.codec, bits(row.bitsBps), picture, percent(row.loss), millis(row.jitterMs), millis(row.rttMs)];
  return html("tr", { "data-kind": row.kind }, ...cells.map((each) => html("td", {}, each)));
}
