import { request } from "./problem.js";

/** What `headwater up` offers to this page only: tokens without an app server, and what runs. */

/**
 * Asks for an invitation and turns the answer into what a Call needs.
 * @param {"whip" | "whep" | "talk"} door
 * @param {{room: string, identity: string, participant?: string}} who `participant`: whom to watch
 * @returns {Promise<import("./call.js").Invitation>}
 */
export async function invite(door, { room, identity, participant = "" }) {
  const response = await request("/demo/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ room, identity, can_publish: door !== "whep" }),
  });
  const { token, urls, ice_servers: iceServers } = await response.json();
  const endpoint = new URL(urls[door], location.href);
  if (participant) endpoint.searchParams.set("participant", participant);
  return { endpoint: endpoint.href, token, iceServers: iceServers ?? [] };
}

/** @returns {Promise<any>} see sfu/node/overview.py */
export async function overview() {
  const response = await request("/demo/overview", { cache: "no-store" });
  return response.json();
}
