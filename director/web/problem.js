/** A refusal or failure to show to a person: title, detail, and whether trying again can help. */
export class Problem extends Error {
  /** @param {{title: string, detail?: string, status?: number, retryAfterS?: number}} problem */
  constructor({ title, detail = "", status = 0, retryAfterS = 0 }) {
    super(detail ? `${title}: ${detail}` : title);
    this.name = "Problem";
    this.title = title;
    this.detail = detail;
    this.status = status;
    this.retryAfterS = retryAfterS;
  }

  /** True for overload, conflicts and failures of the network or the server; false when the request itself is at fault. */
  get temporary() {
    return this.status === 0 || this.status >= 500 || [408, 409, 425, 429].includes(this.status);
  }

  /**
   * The problem document (RFC 9457) of a refused request, or the bare status when there is none.
   * @param {Response} response
   * @returns {Promise<Problem>}
   */
  static async from(response) {
    const document = await response.json().catch(() => ({}));
    return new Problem({
      title: document.title ?? `${response.status} ${response.statusText}`.trim(),
      detail: document.detail ?? "",
      status: response.status,
      retryAfterS: Number(response.headers.get("Retry-After")) || 0,
    });
  }

  /**
   * Any thrown value as a Problem.
   * @param {unknown} cause
   */
  static of(cause) {
    if (cause instanceof Problem) return cause;
    if (cause instanceof DOMException) return new Problem({ title: titleOf(cause), detail: cause.message, status: 400 });
    if (cause instanceof TypeError) return new Problem({ title: "The server cannot be reached", detail: cause.message });
    return new Problem({ title: "Something went wrong", detail: String(cause?.message ?? cause) });
  }
}

/** @param {DOMException} cause */
function titleOf(cause) {
  const titles = {
    NotAllowedError: "The browser did not allow that device",
    NotFoundError: "No such device",
    NotReadableError: "The device is busy",
    OverconstrainedError: "The device cannot do that",
    InvalidAccessError: "The browser refused the description",
  };
  return titles[cause.name] ?? cause.name;
}

/**
 * `fetch` that throws a Problem for every status outside 200..299.
 * @param {string} url
 * @param {RequestInit} [options]
 */
export async function request(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw await Problem.from(response);
  return response;
}
