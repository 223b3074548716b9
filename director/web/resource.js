import { request } from "./problem.js";

/**
 * The session resource that WHIP (RFC 9725) and WHEP answer a POST with: trickle, ICE restart and the end of a Call
 * are requests to it.
 */
export class Resource {
  #token;
  #etag;
  #links;

  /**
   * @param {Response} response the 201 answer
   * @param {string} token
   */
  constructor(response, token) {
    this.url = new URL(response.headers.get("Location"), response.url).href;
    this.#token = token;
    this.#etag = response.headers.get("ETag");
    this.#links = parseLinks(response.headers.get("Link") ?? "", response.url);
  }

  /**
   * Offers, and returns the resource with the answer's SDP.
   * @param {string} endpoint
   * @param {string} token
   * @param {string} offer
   * @returns {Promise<{resource: Resource, answer: string}>}
   * @throws {import("./problem.js").Problem}
   */
  static async create(endpoint, token, offer) {
    const response = await request(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` },
      body: offer,
    });
    return { resource: new Resource(response, token), answer: await response.text() };
  }

  /**
   * The URL that the answer's `Link` headers give for a relation, or null.
   * @param {string} relation
   */
  link(relation) {
    return this.#links.find((each) => each.relations.includes(relation))?.url ?? null;
  }

  /** @param {string} fragment our candidates */
  async trickle(fragment) {
    await this.#patch(fragment, this.#etag);
  }

  /**
   * Restarts ICE and returns the far end's fragment.
   * @param {string} fragment our new credentials and candidates
   */
  async restart(fragment) {
    const response = await this.#patch(fragment, "*");
    this.#etag = response.headers.get("ETag") ?? this.#etag;
    return response.text();
  }

  /**
   * POSTs JSON to one of the resource's extensions.
   * @param {string} url
   * @param {unknown} body
   */
  tell(url, body) {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${this.#token}` };
    return request(url, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** Ends the Call. Survives the page that asks for it. */
  async remove() {
    await fetch(this.url, { method: "DELETE", keepalive: true, headers: { Authorization: `Bearer ${this.#token}` } });
  }

  #patch(fragment, match) {
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag", Authorization: `Bearer ${this.#token}` };
    if (match) headers["If-Match"] = match;
    return request(this.url, { method: "PATCH", headers, body: fragment });
  }
}

/**
 * A `Link` header field (RFC 8288) as relations and absolute URLs.
 * @param {string} header
 * @param {string} base
 */
function parseLinks(header, base) {
  return [...header.matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+=(?:"[^"]*"|[^\s",;]+))*)/g)].map(([, target, parameters]) => ({
    url: new URL(target, base).href,
    relations: (parameters.match(/rel="?([^";]+)/)?.[1] ?? "").split(/\s+/),
  }));
}
