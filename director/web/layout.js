import { bits, count, percent } from "./format.js";

/**
 * Where everything stands in the picture: a pure function from the overview (`GET /demo/overview`) to boxes and streams.
 * Three columns: publishers, the Node with its Workers, viewers.
 *
 * @typedef {{key: string, kind: string, x: number, y: number, width: number, height: number, title: string,
 *            lines: string[], details?: string[], hue: number, load: number | null, live: boolean}} Box
 * @typedef {{key: string, from: [number, number], to: [number, number], bitsBps: number, packetsPerS: number,
 *            loss: number, hue: number, label: string}} Stream
 * @typedef {{width: number, height: number, boxes: Box[], streams: Stream[]}} Layout
 */

const WIDTH = 1080;
const BOX = { width: 250, height: 68, gap: 12 };
const WORKER = { width: 230, height: 90, gap: 18 };
const NODE = { header: 58, padding: 20 };
const MARGIN = 12;
const MOST_PER_COLUMN = 12;

/**
 * @param {any} overview
 * @returns {Layout}
 */
export function layout(overview) {
  const publishers = column(overview.rooms, "publishers", publisherBox);
  const viewers = column(overview.rooms, "viewers", viewerBox);
  const nodeHeight = NODE.header + NODE.padding + stacked(overview.workers.length, WORKER);
  const height = 2 * MARGIN + Math.max(stacked(publishers.length, BOX), stacked(viewers.length, BOX), nodeHeight);
  const workers = overview.workers.map(workerBox);
  const node = nodeBox(overview.node, nodeHeight);

  stand(publishers, MARGIN, height, BOX);
  stand(viewers, WIDTH - MARGIN - BOX.width, height, BOX);
  node.x = (WIDTH - node.width) / 2;
  node.y = (height - node.height) / 2;
  workers.forEach((box, i) => Object.assign(box, { x: node.x + NODE.padding, y: node.y + NODE.header + i * (WORKER.height + WORKER.gap) }));

  const streams = [
    ...publishers.map((box) => stream(box, workers, "in")),
    ...viewers.map((box) => stream(box, workers, "out")),
  ].filter(Boolean);
  return { width: WIDTH, height, boxes: [node, ...workers, ...publishers, ...viewers], streams };
}

function column(rooms, list, draw) {
  const all = rooms.flatMap((room) => room[list].map((each) => draw(each, room)));
  if (all.length <= MOST_PER_COLUMN) return all;
  const rest = all.slice(MOST_PER_COLUMN - 1);
  const bitsBps = sum(rest, (box) => box.bitsBps);
  const more = {
    ...rest[0],
    key: `${list}/more`,
    title: `${rest.length} more ${list}`,
    lines: [bits(bitsBps)],
    bitsBps,
    packetsPerS: sum(rest, (box) => box.packetsPerS),
    loss: sum(rest, (box) => box.loss) / rest.length,
    hue: -1,
    live: true,
  };
  return [...all.slice(0, MOST_PER_COLUMN - 1), more];
}

function publisherBox(publisher, room) {
  const encodings = publisher.tracks.flatMap((track) => track.encodings);
  const tracks = publisher.tracks.map((track) => {
    const live = track.encodings.filter((each) => each.live);
    const rids = live.map((each) => each.rid).filter(Boolean);
    return [track.codec, rids.length ? `[${rids.join(" ")}]` : "", track.muted ? "muted" : ""].filter(Boolean).join(" ");
  });
  return {
    ...person(publisher, room, "publisher"),
    ...flow(encodings),
    lines: [tracks.join(" + ") || publisher.state, `${bits(sum(encodings, (each) => each.bits_bps))} · loss ${percent(worst(encodings))}`],
  };
}

function viewerBox(viewer, room) {
  const { subscriptions } = viewer;
  const video = subscriptions.find((each) => each.kind === "video" && each.active);
  const layer = video?.layer_rid ? `layer ${video.layer_rid}${video.temporal_id === null ? "" : ` T${video.temporal_id}`}` : "";
  const whom = subscriptions.find((each) => each.publisher)?.publisher;
  return {
    ...person(viewer, room, "viewer"),
    ...flow(subscriptions),
    lines: [
      [whom ? `watches ${whom}` : viewer.state === "connected" ? "waits for a publisher" : viewer.state, layer].filter(Boolean).join(" · "),
      `${bits(sum(subscriptions, (each) => each.bits_bps))} · loss ${percent(worst(subscriptions))}`,
    ],
  };
}

function person(participant, room, kind) {
  return {
    key: `${kind}/${participant.sid}`,
    kind,
    title: participant.identity,
    hue: hueOf(room.name),
    load: null,
    live: participant.state === "connected",
    worker: participant.worker,
    ...BOX,
  };
}

function workerBox(worker) {
  const drops = Object.values(worker.drops).reduce((a, b) => a + b, 0);
  return {
    key: `worker/${worker.index}`,
    kind: "worker",
    title: `Worker ${worker.index} · UDP ${worker.port}`,
    lines: [
      `in ${bits(worker.bits_in_bps)} · out ${bits(worker.bits_out_bps)}`,
      `${count(worker.packets_out_per_s)} packets/s · ${worker.crypto}`,
      `CPU ${percent(worker.cpu)} · drops ${count(drops)}`,
    ],
    hue: -1,
    details: Object.entries(worker.drops).map(([reason, n]) => `${count(n)} ${reason.replaceAll("_", " ")}`),
    load: worker.cpu,
    live: true,
    index: worker.index,
    ...WORKER,
  };
}

function nodeBox(node, height) {
  return {
    key: "node",
    kind: "node",
    title: node.id + (node.region ? ` · ${node.region}` : ""),
    lines: [`CPU ${percent(node.cpu)}${node.draining ? " · draining" : ""}`],
    hue: -1,
    load: null,
    live: !node.draining,
    width: WORKER.width + 2 * NODE.padding,
    height,
  };
}

function stream(box, workers, way) {
  const worker = workers.find((each) => each.index === box.worker) ?? workers[0];
  if (!worker) return null;
  const incoming = way === "in";
  const at = worker.y + worker.height / 2;
  const middle = box.y + box.height / 2;
  return {
    key: `stream/${box.key}`,
    from: incoming ? [box.x + box.width, middle] : [worker.x + worker.width, at],
    to: incoming ? [worker.x, at] : [box.x, middle],
    bitsBps: box.bitsBps,
    packetsPerS: box.packetsPerS,
    loss: box.loss,
    hue: box.hue,
    label: `${box.title}: ${bits(box.bitsBps)}, ${count(box.packetsPerS)} packets/s, loss ${percent(box.loss)}`,
  };
}

function stand(boxes, x, height, { height: each, gap }) {
  const top = (height - stacked(boxes.length, { height: each, gap })) / 2;
  boxes.forEach((box, i) => Object.assign(box, { x, y: top + i * (each + gap) }));
}

function flow(rows) {
  return {
    bitsBps: sum(rows, (each) => each.bits_bps),
    packetsPerS: sum(rows, (each) => each.packets_per_s),
    loss: worst(rows),
  };
}

/** One colour per Room, the same on every page; similar names lie far apart (137 degrees: the golden angle). */
function hueOf(name) {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 9973;
  return (hash * 137) % 360;
}

const stacked = (n, { height, gap }) => (n ? n * height + (n - 1) * gap : 0);
const sum = (rows, value) => rows.reduce((total, each) => total + value(each), 0);
const worst = (rows) => rows.reduce((most, each) => Math.max(most, each.loss), 0);
