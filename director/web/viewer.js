import { html } from "./dom.js";
import { CallView } from "./callview.js";
import { Playback } from "./whep.js";

const TEMPORAL = [
  ["", "all frames"],
  ["1", "half the frames"],
  ["0", "a quarter"],
];

/** One player on the page: the picture, its layer picker and its statistics. */
export class Viewer {
  #view;
  #rid = html("select", { "data-testid": "layer", "aria-label": "Layer" }, html("option", { value: "" }, "best layer"));
  #temporal = html("select", { "data-testid": "temporal", "aria-label": "Frame rate" }, ...TEMPORAL.map(([value, text]) => html("option", { value }, text)));
  #audience = html("span", { class: "audience" });

  /**
   * @param {{invite: () => Promise<import("./call.js").Invitation>, name: string, closed: (viewer: Viewer) => void}} options
   */
  constructor({ invite, name, closed }) {
    this.call = new Playback(invite);
    this.#view = new CallView(this.call);
    this.video = html("video", { autoplay: true, playsinline: true, controls: true, "data-testid": "video", "aria-label": name });
    this.video.muted = true;
    this.video.srcObject = this.call.stream;
    const close = html("button", { type: "button", class: "quiet", "data-testid": "close", "aria-label": `Stop watching ${name}` }, "Stop");
    close.addEventListener("click", () => {
      this.call.leave();
      this.element.remove();
      closed(this);
    });
    this.element = html(
      "article",
      { class: "tile", "data-testid": "viewer" },
      html("header", {}, html("h3", {}, name), this.#view.badge, this.#audience, close),
      html("div", { class: "stage" }, this.video),
      html("div", { class: "row" }, this.#rid, this.#temporal),
      this.#view.problem,
      this.#view.stats,
    );
    this.#follow();
  }

  refresh() {
    return this.#view.refresh();
  }

  #follow() {
    for (const select of [this.#rid, this.#temporal]) select.addEventListener("change", () => this.#wish());
    this.call.addEventListener("layers", () => this.#offerLayers());
    this.call.addEventListener("state", () => {
      if (this.call.state === "live" && (this.#rid.value || this.#temporal.value)) this.#wish();
      this.element.dataset.waits = String(!this.call.active);
    });
    this.call.addEventListener("active", () => {
      this.element.dataset.waits = String(!this.call.active);
    });
    this.call.addEventListener("viewercount", ({ detail }) => {
      this.#audience.textContent = detail === 1 ? "1 viewer" : `${detail} viewers`;
    });
  }

  async #wish() {
    try {
      await this.call.select({ rid: this.#rid.value, maxTemporalId: this.#temporal.value === "" ? null : Number(this.#temporal.value) });
    } catch (cause) {
      this.#view.showProblem(cause);
    }
  }

  #offerLayers() {
    const rids = [...new Set(this.call.layers.map((each) => each.rid).filter(Boolean))];
    const known = [...this.#rid.options].map((each) => each.value).filter(Boolean);
    if (rids.join() === known.join()) return;
    const chosen = this.#rid.value;
    const options = rids.map((rid) => html("option", { value: rid }, labelOf(rid, this.call.layers)));
    this.#rid.replaceChildren(html("option", { value: "" }, "best layer"), ...options);
    if (rids.includes(chosen)) this.#rid.value = chosen;
  }
}

function labelOf(rid, layers) {
  const top = layers.filter((each) => each.rid === rid).sort((a, b) => b.height - a.height)[0];
  return top.height ? `layer ${rid} (${top.width}×${top.height})` : `layer ${rid}`;
}
