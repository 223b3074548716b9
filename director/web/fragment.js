/**
 * SDP fragments for trickle ICE and ICE restart (RFC 8840, used by RFC 9725 sections 4.3.2 and 4.3.3).
 * Pure text functions: no connection, no network.
 */

const EOL = "\r\n";

/**
 * The fragment that tells the far end our ICE credentials and some candidates.
 * @param {string} sdp the local description that is in force
 * @param {RTCIceCandidate[]} candidates
 * @param {boolean} complete no more candidates will follow
 */
export function fragmentOf(sdp, candidates, complete) {
  const { session, media } = sections(sdp);
  const first = media[0];
  const lines = [
    ...session.filter((line) => line.startsWith("a=group:BUNDLE")),
    ...credentials(first).length ? credentials(first) : credentials(session),
    first[0],
    ...first.filter((line) => line.startsWith("a=mid:")),
    ...candidates.filter((each) => each.candidate).map((each) => `a=${each.candidate}`),
  ];
  if (complete) lines.push("a=end-of-candidates");
  return lines.join(EOL) + EOL;
}

/**
 * The remote description after an ICE restart: everything as agreed before, with the new credentials and candidates.
 * @param {string} sdp the remote description so far
 * @param {string} fragment the answer to the restart
 */
export function restarted(sdp, fragment) {
  const fresh = fragment.split(/\r?\n/).filter(isIce);
  const news = { credentials: fresh.filter(isCredential), candidates: fresh.filter((line) => !isCredential(line)) };
  const { session, media } = sections(sdp);
  const kept = media.map((section) => {
    const rest = section.filter((line) => !isIce(line));
    const at = rest.findIndex((line) => line.startsWith("a="));
    return [...rest.slice(0, at), ...news.credentials, ...rest.slice(at), ...news.candidates];
  });
  return [session.filter((line) => !isIce(line)), ...kept].flat().join(EOL) + EOL;
}

/** @param {string} sdp */
function sections(sdp) {
  const all = [[]];
  for (const line of sdp.split(/\r?\n/).filter(Boolean)) {
    if (line.startsWith("m=")) all.push([]);
    all.at(-1).push(line);
  }
  const [session, ...media] = all;
  return { session, media };
}

const isCredential = (line) => /^a=ice-(ufrag|pwd):/.test(line);
const isIce = (line) => isCredential(line) || /^a=(candidate:|end-of-candidates)/.test(line);
const credentials = (lines) => lines.filter(isCredential);
