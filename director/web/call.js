import { fragmentOf, restarted } from "./fragment.js";
import { Problem } from "./problem.js";
import { Resource } from "./resource.js";

const BUNDLED = { bundlePolicy: "max-bundle" };
const TRICKLE_BATCH_MS = 30;
const PATIENCE_MS = 2000;
const CONNECT_MS = 10_000;
const STABLE_MS = 10_000;
const BACKOFF_MS = { first: 500, longest: 15_000 };

/**
 * Where and as whom to join; asked anew for every attempt, because tokens expire.
 * @typedef {{endpoint: string, token: string, iceServers: RTCIceServer[]}} Invitation
 */

/**
 * One stay in a Room over one RTCPeerConnection, kept up until `leave()`: trickles candidates, restarts ICE when the
 * network changes, and joins again with back-off when that does not help.
 *
 * Emits "state" after every change of `state` and "problem" with a Problem in `detail`. States: "idle", "joining",
 * "connecting", "live", "restarting", "waiting" (to try again), "left", "refused".
 */
export class Call extends EventTarget {
  /** @type {RTCPeerConnection | null} */
  pc = null;
  /** @type {Resource | null} */
  resource = null;
  state = "idle";
  #invite;
  #attempts = 0;
  #liveSince = 0;
  #timer = 0;
  #pending = [];
  #trickleTimer = 0;

  /** @param {() => Promise<Invitation>} invite */
  constructor(invite) {
    super();
    this.#invite = invite;
  }

  /** Puts tracks and transceivers on a new connection. For subclasses. @param {RTCPeerConnection} _pc */
  async prepare(_pc) {}

  /** The answer is in place; the resource and its extensions can be used. For subclasses. */
  joined() {}

  /** Releases what `joined` took. For subclasses. */
  parted() {}

  /** Joins, and returns once the answer is in place or the attempt has failed (a "state" event says which). */
  async join() {
    clearTimeout(this.#timer);
    this.#close();
    this.#become("joining");
    const pc = (this.pc = new RTCPeerConnection(BUNDLED));
    try {
      await this.#negotiate(pc);
    } catch (cause) {
      if (pc === this.pc) this.#fail(Problem.of(cause));
    }
  }

  /** Leaves for good. Safe while the page goes away. */
  leave() {
    const { pc, resource } = this;
    this.#release();
    this.#become("left");
    // DELETE is the goodbye; closing first would say it a second time, in DTLS.
    const said = resource ? resource.remove().catch(() => {}) : Promise.resolve();
    said.finally(() => pc?.close());
  }

  /** Restarts ICE without a new offer/answer exchange of media (RFC 9725 section 4.3.3); joins again if refused. */
  async restartIce() {
    const { pc, resource } = this;
    if (!pc || !resource) return;
    this.#become("restarting");
    this.#watchdog(pc);
    try {
      const agreed = pc.currentRemoteDescription.sdp;
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      this.#dropCandidates();
      const answer = await resource.restart(fragmentOf(pc.localDescription.sdp, [], false));
      await pc.setRemoteDescription({ type: "answer", sdp: restarted(agreed, answer) });
      const transport = pc.getTransceivers()[0]?.sender.transport?.iceTransport;
      transport?.addEventListener("selectedcandidatepairchange", () => this.#follow(pc), { once: true });
      this.#flushCandidates(pc);
    } catch (cause) {
      if (pc === this.pc) this.#fail(Problem.of(cause), { refusable: false });
    }
  }

  async #negotiate(pc) {
    const { endpoint, token, iceServers } = await this.#invite();
    pc.setConfiguration({ ...BUNDLED, iceServers });
    await this.prepare(pc);
    if (pc !== this.pc) return;
    pc.addEventListener("connectionstatechange", () => this.#follow(pc));
    pc.addEventListener("icecandidate", ({ candidate }) => this.#trickle(pc, candidate));
    await pc.setLocalDescription(await pc.createOffer());
    const { resource, answer } = await Resource.create(endpoint, token, pc.localDescription.sdp);
    if (pc !== this.pc) {
      await resource.remove();
      return;
    }
    this.resource = resource;
    this.#become("connecting");
    this.#watchdog(pc);
    await pc.setRemoteDescription({ type: "answer", sdp: answer });
    this.#followDtls(pc);
    this.#flushCandidates(pc);
    this.joined();
  }

  #follow(pc) {
    if (pc !== this.pc) return;
    clearTimeout(this.#timer);
    if (pc.connectionState === "connected") {
      this.#liveSince ||= performance.now();
      this.#become("live");
    } else if (pc.connectionState === "disconnected") {
      this.#timer = setTimeout(() => this.restartIce(), PATIENCE_MS);
    } else if (pc.connectionState === "failed") {
      if (this.state === "live") this.restartIce();
      else this.#fail(new Problem({ title: "No media connection", detail: "ICE or DTLS did not succeed" }));
    } else {
      this.#watchdog(pc);
    }
  }

  /** A far end that says goodbye does so in DTLS only; ICE would need many seconds to notice. */
  #followDtls(pc) {
    const transport = pc.getTransceivers()[0]?.sender.transport;
    transport?.addEventListener("statechange", () => {
      if (pc === this.pc && transport.state === "closed") this.#fail(new Problem({ title: "The server ended the call" }));
    });
  }

  #watchdog(pc) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (pc !== this.pc) return;
      if (pc.connectionState === "connected") this.#follow(pc);
      else this.#fail(new Problem({ title: "No media connection", detail: "gave up after 10 seconds" }));
    }, CONNECT_MS);
  }

  /** @param {Problem} problem */
  #fail(problem, { refusable = true } = {}) {
    const stable = this.#liveSince && performance.now() - this.#liveSince > STABLE_MS;
    const { resource } = this;
    this.#attempts = stable ? 0 : this.#attempts + 1;
    this.#close();
    resource?.remove().catch(() => {});
    this.dispatchEvent(new CustomEvent("problem", { detail: problem }));
    if (refusable && !problem.temporary) {
      this.#become("refused");
      return;
    }
    const pause = Math.min(BACKOFF_MS.first * 2 ** Math.max(0, this.#attempts - 1), BACKOFF_MS.longest);
    this.#become("waiting");
    this.#timer = setTimeout(() => this.join(), Math.max(pause * (0.75 + Math.random() / 2), problem.retryAfterS * 1000));
  }

  #trickle(pc, candidate) {
    if (pc !== this.pc) return;
    this.#pending.push(candidate);
    this.#flushCandidates(pc);
  }

  /** Candidates wait while an offer is out: they belong to the ICE session that its answer names. */
  #flushCandidates(pc) {
    clearTimeout(this.#trickleTimer);
    this.#trickleTimer = setTimeout(() => {
      if (pc !== this.pc || !this.resource || pc.signalingState !== "stable" || !this.#pending.length) return;
      const candidates = this.#pending.filter(Boolean);
      const complete = candidates.length < this.#pending.length;
      this.#pending = [];
      // An ICE-lite far end learns our addresses from our checks too, so a refused trickle is no failure.
      this.resource.trickle(fragmentOf(pc.localDescription.sdp, candidates, complete)).catch(() => {});
    }, TRICKLE_BATCH_MS);
  }

  #dropCandidates() {
    clearTimeout(this.#trickleTimer);
    this.#pending = [];
  }

  #close() {
    const { pc } = this;
    this.#release();
    pc?.close();
  }

  #release() {
    clearTimeout(this.#timer);
    this.#dropCandidates();
    if (this.resource) this.parted();
    this.pc = null;
    this.resource = null;
    this.#liveSince = 0;
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
