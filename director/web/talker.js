import { CallView, problemNote } from "./callview.js";
import { byId } from "./dom.js";
import { Talk } from "./talk.js";

/** The "Talk" card: one conversation at a time. */
export class Talker {
  /** @type {Talk | null} */
  call = null;
  #invite;
  #view = null;

  /** @param {() => Promise<import("./call.js").Invitation>} invite */
  constructor(invite) {
    this.#invite = invite;
    byId("talk-start").addEventListener("click", () => this.#start());
    byId("talk-stop").addEventListener("click", () => this.call?.leave());
  }

  async refresh() {
    await this.#view?.refresh();
  }

  async #start() {
    byId("talk-start").disabled = true;
    try {
      const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
      this.#show(new Talk(this.#invite, microphone));
      await this.call.join();
    } catch (cause) {
      byId("talk-start").disabled = false;
      byId("talk-view").replaceChildren(problemNote(cause));
    }
  }

  #show(call) {
    this.call = call;
    this.#view = new CallView(call);
    byId("voices").srcObject = call.voices;
    byId("talk-badge").replaceChildren(this.#view.badge);
    byId("talk-view").replaceChildren(this.#view.problem, this.#view.stats);
    call.addEventListener("state", () => this.#enable());
    this.#enable();
  }

  #enable() {
    const over = ["left", "refused"].includes(this.call.state);
    byId("talk-start").disabled = !over;
    byId("talk-stop").disabled = over;
  }
}
