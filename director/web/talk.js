import { Call } from "./call.js";

/** A Call that publishes a microphone and plays everyone else, or the bot, on the same audio m-line. */
export class Talk extends Call {
  voices = new MediaStream();
  #microphone;

  /**
   * @param {() => Promise<import("./call.js").Invitation>} invite
   * @param {MediaStream} microphone
   */
  constructor(invite, microphone) {
    super(invite);
    this.#microphone = microphone;
  }

  /** @param {RTCPeerConnection} pc */
  async prepare(pc) {
    for (const track of this.voices.getTracks()) this.voices.removeTrack(track);
    pc.addEventListener("track", ({ track }) => this.voices.addTrack(track));
    const [track] = this.#microphone.getAudioTracks();
    pc.addTransceiver(track, { direction: "sendrecv", streams: [this.#microphone] });
  }

  /** Leaves and gives the microphone back. */
  leave() {
    super.leave();
    for (const track of this.#microphone.getTracks()) track.stop();
  }
}
