import { CallView, problemNote } from "./callview.js";
import { byId } from "./dom.js";
import { Problem } from "./problem.js";
import { Publication } from "./whip.js";

const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };

/** The "Publish" card: devices in, one Publication at a time. */
export class Publisher {
  /** @type {Publication | null} */
  call = null;
  #invite;
  #view = null;

  /** @param {() => Promise<import("./call.js").Invitation>} invite */
  constructor(invite) {
    this.#invite = invite;
    byId("publish-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    byId("publish-stop").addEventListener("click", () => this.call?.leave());
    byId("publish-restart").addEventListener("click", () => this.call?.restartIce());
    for (const kind of ["audio", "video"]) {
      byId(`mute-${kind}`).addEventListener("click", ({ currentTarget }) => this.#toggle(currentTarget, kind));
    }
  }

  async refresh() {
    await this.#view?.refresh();
  }

  async #start() {
    byId("publish-start").disabled = true;
    try {
      const stream = await capture(byId("source").value);
      const options = { simulcast: byId("simulcast").checked, codec: byId("codec").value };
      this.#show(new Publication(this.#invite, stream, options));
      await this.call.join();
    } catch (cause) {
      byId("publish-start").disabled = false;
      byId("publish-view").replaceChildren(problemNote(cause));
    }
  }

  #show(call) {
    this.call = call;
    this.#view = new CallView(call);
    byId("preview").srcObject = call.stream;
    byId("publish-badge").replaceChildren(this.#view.badge);
    byId("publish-view").replaceChildren(this.#view.problem, this.#view.stats);
    call.addEventListener("state", () => this.#enable());
    for (const track of call.stream.getTracks()) track.addEventListener("ended", () => call.leave());
    this.#enable();
  }

  #enable() {
    const over = ["left", "refused"].includes(this.call.state);
    byId("publish-start").disabled = !over;
    byId("publish-stop").disabled = over;
    byId("publish-restart").disabled = this.call.state !== "live";
    for (const kind of ["audio", "video"]) {
      const button = byId(`mute-${kind}`);
      button.disabled = over || !this.call.stream.getTracks().some((track) => track.kind === kind);
      if (over) button.setAttribute("aria-pressed", "false");
    }
    if (over) byId("preview").srcObject = null;
  }

  #toggle(button, kind) {
    const muted = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(muted));
    this.call?.mute(kind, muted);
  }
}

/** @param {string} source "camera", "microphone" or "screen" */
async function capture(source) {
  if (!navigator.mediaDevices) {
    throw new Problem({ title: "No devices here", detail: "browsers open cameras only for https or localhost pages" });
  }
  if (source === "screen") return navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
  return navigator.mediaDevices.getUserMedia({ audio: true, video: source === "camera" ? CAMERA : false });
}
