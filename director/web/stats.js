/**
 * One RTP stream as the browser's own getStats sees it. Rates are averages since the previous reading; what the browser
 * does not know is null.
 * @typedef {object} StreamReading
 * @property {string} id
 * @property {"inbound" | "outbound"} direction
 * @property {"audio" | "video"} kind
 * @property {string} rid
 * @property {string} codec
 * @property {number} bitsBps
 * @property {number} packetsPerS
 * @property {number | null} loss ratio 0..1 since the previous reading
 * @property {number | null} jitterMs
 * @property {number | null} rttMs
 * @property {number | null} fps
 * @property {number | null} width
 * @property {number | null} height
 * @property {number | null} frames decoded or encoded since the start
 * @property {number | null} freezes
 * @property {number | null} audioLevel 0..1
 */

/** Turns successive getStats reports of one connection into readings. */
export class Meter {
  #pc;
  #before = new Map();

  /** @param {RTCPeerConnection} pc */
  constructor(pc) {
    this.#pc = pc;
  }

  get pc() {
    return this.#pc;
  }

  /** @returns {Promise<StreamReading[]>} inbound first, audio before video, lowest bit rate first */
  async read() {
    const report = await this.#pc.getStats();
    const before = this.#before;
    this.#before = new Map(report);
    const rttMs = roundTripMs(report);
    const rows = [...report.values()].filter((each) => each.type === "inbound-rtp" || each.type === "outbound-rtp");
    return rows.map((row) => reading(row, before.get(row.id), report, rttMs)).sort(inOrder);
  }
}

function reading(row, before, report, rttMs) {
  const inbound = row.type === "inbound-rtp";
  const seconds = before ? Math.max((row.timestamp - before.timestamp) / 1000, 0.001) : 0;
  const grown = (name) => (seconds ? Math.max(0, (row[name] ?? 0) - (before[name] ?? 0)) : 0);
  const rate = (name) => (seconds ? grown(name) / seconds : 0);
  const remote = report.get(row.remoteId);
  const packets = inbound ? "packetsReceived" : "packetsSent";
  const lost = grown("packetsLost");
  return {
    id: row.id,
    direction: inbound ? "inbound" : "outbound",
    kind: row.kind,
    rid: row.rid ?? "",
    codec: report.get(row.codecId)?.mimeType.split("/")[1] ?? "",
    bitsBps: 8 * rate(inbound ? "bytesReceived" : "bytesSent"),
    packetsPerS: rate(packets),
    loss: inbound ? lost / Math.max(1, lost + grown(packets)) : (remote?.fractionLost ?? null),
    jitterMs: milliseconds(inbound ? row.jitter : remote?.jitter),
    rttMs: milliseconds(remote?.roundTripTime) ?? rttMs,
    fps: row.framesPerSecond ?? (row.kind === "video" ? 0 : null),
    width: row.frameWidth ?? null,
    height: row.frameHeight ?? null,
    frames: (inbound ? row.framesDecoded : row.framesEncoded) ?? null,
    freezes: row.freezeCount ?? null,
    audioLevel: row.audioLevel ?? null,
  };
}

function roundTripMs(report) {
  for (const each of report.values()) {
    if (each.type === "candidate-pair" && each.nominated && each.currentRoundTripTime !== undefined) {
      return each.currentRoundTripTime * 1000;
    }
  }
  return null;
}

function inOrder(a, b) {
  const rank = (row) => [row.direction === "inbound" ? 0 : 1, row.kind === "audio" ? 0 : 1, row.width ?? 0];
  const [left, right] = [rank(a), rank(b)];
  const at = left.findIndex((value, index) => value !== right[index]);
  return at < 0 ? 0 : left[at] - right[at];
}

const milliseconds = (seconds) => (seconds === undefined ? null : seconds * 1000);
