import { invite, overview } from "./demo.js";
import { byId, html } from "./dom.js";
import { bits, bytes, count, duration, percent } from "./format.js";
import { Picture } from "./picture.js";
import { Problem } from "./problem.js";
import { Publisher } from "./publisher.js";
import { Talker } from "./talker.js";
import { Viewer } from "./viewer.js";

const REFRESH_MS = 1000;

const room = () => byId("room").value.trim() || "demo";
const identity = () => byId("identity").value.trim() || "guest";

const publisher = new Publisher(() => invite("whip", { room: room(), identity: identity() }));
const talker = new Talker(() => invite("talk", { room: room(), identity: `${identity()}-talk` }));
const picture = new Picture(byId("picture"));
/** @type {Set<Viewer>} */
const viewers = new Set();
let opened = 0;

/** Everything on the page that can be asked, for consoles and tests. */
window.headwater = { publisher, talker, viewers };

function watch() {
  opened += 1;
  const who = { room: room(), identity: `${identity()}-view-${opened}`, participant: byId("participant").value };
  const name = who.participant || "first publisher";
  const viewer = new Viewer({ invite: () => invite("whep", who), name, closed: (gone) => viewers.delete(gone) });
  viewers.add(viewer);
  byId("viewers").append(viewer.element);
  viewer.call.join();
}

async function refresh() {
  if (document.hidden) return;
  await Promise.all([publisher, talker, ...viewers].map((each) => each.refresh().catch(() => {})));
  try {
    show(await overview());
    byId("overview-problem").hidden = true;
  } catch (cause) {
    const problem = Problem.of(cause);
    byId("overview-problem").textContent = [problem.title, problem.detail].filter(Boolean).join(": ");
    byId("overview-problem").hidden = false;
  }
}

function show(view) {
  picture.show(view);
  const total = (list) => view.rooms.reduce((sum, each) => sum + each[list].length, 0);
  const over = (field) => view.workers.reduce((sum, each) => sum + each[field], 0);
  byId("summary").textContent = [
    `${view.rooms.length} rooms`,
    `${total("publishers")} publishers`,
    `${total("viewers")} viewers`,
    `in ${bits(over("bits_in_bps"))}`,
    `out ${bits(over("bits_out_bps"))}`,
    `${count(over("packets_in_per_s") + over("packets_out_per_s"))} packets/s`,
    `CPU ${percent(view.node.cpu)}`,
    bytes(view.node.memory_bytes),
    `up ${duration(view.node.uptime_s)}`,
  ].join(" · ");
  offerParticipants(view.rooms.find((each) => each.name === room())?.publishers ?? []);
}

function offerParticipants(publishers) {
  const select = byId("participant");
  const names = publishers.map((each) => each.identity).sort();
  if (names.join("\n") === [...select.options].slice(1).map((each) => each.value).join("\n")) return;
  const chosen = select.value;
  select.replaceChildren(html("option", { value: "" }, "first publisher"), ...names.map((name) => html("option", { value: name }, name)));
  if (names.includes(chosen)) select.value = chosen;
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

function fillIn() {
  const query = new URLSearchParams(location.search);
  byId("room").value = query.get("room") ?? "demo";
  byId("identity").value = query.get("identity") ?? `guest-${Math.random().toString(36).slice(2, 6)}`;
  byId("room").addEventListener("change", () => history.replaceState(null, "", `?room=${encodeURIComponent(room())}`));
}

fillIn();
byId("where").addEventListener("submit", (event) => event.preventDefault());
byId("watch-form").addEventListener("submit", (event) => {
  event.preventDefault();
  watch();
});
byId("theme").addEventListener("click", toggleTheme);
addEventListener("pagehide", () => {
  for (const each of [publisher, talker, ...viewers]) each.call?.leave();
});
refresh();
setInterval(refresh, REFRESH_MS);
