/** Numbers as short text for people. All are pure. */

/** @param {number} bps */
export function bits(bps) {
  if (bps >= 1e9) return `${(bps / 1e9).toFixed(2)} Gbit/s`;
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(2)} Mbit/s`;
  return `${Math.round(bps / 1e3)} kbit/s`;
}

/** @param {number} n */
export function count(n) {
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(0)} k`;
  return n.toFixed(0);
}

/** @param {number | null} ratio 0..1 */
export function percent(ratio) {
  if (ratio === null || ratio === undefined) return "–";
  if (ratio === 0) return "0 %";
  return `${(ratio * 100).toFixed(ratio < 0.01 ? 2 : 1)} %`;
}

/** @param {number | null} ms */
export function millis(ms) {
  return ms === null || ms === undefined ? "–" : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

/** @param {number} s */
export function duration(s) {
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${Math.floor(s % 60)} s` : `${Math.floor(s)} s`;
}

/** @param {number} bytes */
export function bytes(bytes) {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
