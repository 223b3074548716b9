import { Call } from "./call.js";
import { Problem } from "./problem.js";

const LAYER = "urn:ietf:params:whep:ext:core:layer";
const EVENTS = "urn:ietf:params:whep:ext:core:server-sent-events";

/**
 * One selectable quality of the watched video.
 * @typedef {{rid: string, temporalId: number | null, bitrateBps: number, width: number, height: number}} Layer
 */

/**
 * A Call that watches one Participant by WHEP.
 *
 * Emits, besides what Call emits, "layers" (see `layers`), "active" (the publisher is there or not, see `active`).
 */
export class Playback extends Call {
  stream = new MediaStream();
  /** @type {Layer[]} */
  layers = [];
  active = false;
  #events = null;

  /** @param {RTCPeerConnection} pc */
  async prepare(pc) {
    for (const track of this.stream.getTracks()) this.stream.removeTrack(track);
    pc.addEventListener("track", ({ track }) => this.stream.addTrack(track));
    pc.addTransceiver("audio", { direction: "recvonly" });
    pc.addTransceiver("video", { direction: "recvonly" });
  }

  /** Watches the resource's event stream, if the far end offers one. */
  async joined() {
    const endpoint = this.resource.link(EVENTS);
    if (!endpoint) return;
    const { resource } = this;
    try {
      const response = await resource.tell(endpoint, ["active", "inactive", "layers", "viewercount"]);
      if (resource !== this.resource) return;
      this.#follow(new URL(response.headers.get("Location"), response.url).href);
    } catch (cause) {
      this.dispatchEvent(new CustomEvent("problem", { detail: Problem.of(cause) }));
    }
  }

  parted() {
    this.#events?.close();
    this.#events = null;
  }

  /**
   * Wishes a layer of the first video m-line; an empty `rid` leaves the choice to the far end.
   * @param {{rid?: string, maxTemporalId?: number | null}} wish
   */
  async select({ rid = "", maxTemporalId = null }) {
    const endpoint = this.resource?.link(LAYER);
    if (!endpoint) throw new Problem({ title: "Layers cannot be selected here", status: 404 });
    const wish = { mediaId: this.#videoMid() };
    if (rid) wish.encodingId = rid;
    if (maxTemporalId !== null) wish.maxTemporalLayerId = maxTemporalId;
    await this.resource.tell(endpoint, wish);
  }

  #videoMid() {
    return this.pc.getTransceivers().find((each) => each.receiver.track.kind === "video")?.mid ?? "1";
  }

  #follow(url) {
    const events = (this.#events = new EventSource(url));
    events.addEventListener("active", () => this.#activate(true));
    events.addEventListener("inactive", () => this.#activate(false));
    events.addEventListener("layers", ({ data }) => {
      this.layers = layersOf(JSON.parse(data), this.#videoMid());
      this.dispatchEvent(new Event("layers"));
    });
    events.addEventListener("viewercount", ({ data }) => {
      this.dispatchEvent(new CustomEvent("viewercount", { detail: JSON.parse(data).viewercount }));
    });
  }

  #activate(active) {
    this.active = active;
    this.dispatchEvent(new Event("active"));
  }
}

/**
 * A "layers" event in either published shape: a list per m-line, or an object with `active` and `layers` per m-line.
 * @param {Record<string, any>} data
 * @param {string} mid
 * @returns {Layer[]}
 */
function layersOf(data, mid) {
  const entry = data[mid] ?? Object.values(data)[0] ?? [];
  const rows = Array.isArray(entry) ? entry : (entry.layers ?? entry.active ?? []);
  return rows.map((row) => ({
    rid: row.rid ?? row.encodingId ?? "",
    temporalId: row.temporalLayerId ?? null,
    bitrateBps: row.bitrate ?? 0,
    width: row.width ?? 0,
    height: row.height ?? 0,
  }));
}
