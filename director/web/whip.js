import { Call } from "./call.js";

/** Three encodings, lowest first: the order in which libwebrtc gives out its bandwidth. */
const SIMULCAST = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 200_000 },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 700_000 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 2_500_000 },
];
const SINGLE = [{ maxBitrate: 2_500_000 }];

/** A Call that publishes a MediaStream by WHIP (RFC 9725). */
export class Publication extends Call {
  #stream;
  #simulcast;
  #codec;

  /**
   * @param {() => Promise<import("./call.js").Invitation>} invite
   * @param {MediaStream} stream
   * @param {{simulcast?: boolean, codec?: string}} [options] `codec` is a name as "VP8"; empty: the browser's choice
   */
  constructor(invite, stream, { simulcast = true, codec = "" } = {}) {
    super(invite);
    this.#stream = stream;
    this.#simulcast = simulcast;
    this.#codec = codec;
  }

  get stream() {
    return this.#stream;
  }

  /** @param {RTCPeerConnection} pc */
  async prepare(pc) {
    for (const track of this.#stream.getTracks()) {
      const video = track.kind === "video";
      const sendEncodings = video ? (this.#simulcast ? SIMULCAST : SINGLE) : undefined;
      const transceiver = pc.addTransceiver(track, { direction: "sendonly", streams: [this.#stream], sendEncodings });
      if (video && this.#codec) prefer(transceiver, this.#codec);
    }
  }

  /**
   * Silences or resumes the tracks of one kind without renegotiating.
   * @param {"audio" | "video"} kind
   * @param {boolean} muted
   */
  mute(kind, muted) {
    for (const track of this.#stream.getTracks()) if (track.kind === kind) track.enabled = !muted;
  }

  /** Leaves and gives the devices back. */
  leave() {
    super.leave();
    for (const track of this.#stream.getTracks()) track.stop();
  }
}

/**
 * Puts one codec first, keeping the others and their repair formats.
 * @param {RTCRtpTransceiver} transceiver
 * @param {string} name
 */
function prefer(transceiver, name) {
  const all = RTCRtpSender.getCapabilities("video").codecs;
  const wanted = (each) => each.mimeType.toLowerCase() === `video/${name}`.toLowerCase();
  transceiver.setCodecPreferences([...all.filter(wanted), ...all.filter((each) => !wanted(each))]);
}
