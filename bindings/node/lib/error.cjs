"use strict";

/**
 * The one error class, with the stack of the call that caused it: by the time the engine answers,
 * that call is long off the stack.
 */

/** @typedef {import("./native.cjs").ErrorInfo} ErrorInfo */

class IndwellError extends Error {
  /**
   * @param {ErrorInfo} info
   * @param {{ cause?: unknown, site?: CallSite }} [context]
   */
  constructor(info, { cause, site } = {}) {
    super(info.message, cause === undefined ? undefined : { cause });
    // What the platform's own cancellable operations reject with.
    this.name = info.code === "cancelled" ? "AbortError" : "IndwellError";
    this.code = info.code;
    // What is not known is left out, so that a printed error says what it knows and no more.
    if (info.field !== undefined) this.field = info.field;
    if (info.value !== undefined) this.value = info.value;
    if (info.limit !== undefined) this.limit = info.limit;
    if (info.remedy !== undefined) this.remedy = info.remedy;
    if (info.retryAfterMs !== undefined) this.retryAfterMs = info.retryAfterMs;
    if (site !== undefined) this.stack = `${this.name}: ${this.message}${site.frames()}`;
  }
}

/** Where a call came from. Taking it is cheap; it is put in words only for an error. */
class CallSite {
  /** @type {string} */
  stack = "";

  /** @param {Function} callee what the caller called: it and what is above it are left out */
  constructor(callee) {
    Error.captureStackTrace(this, callee);
  }

  /** The frames, each on a line of its own after a line break. */
  frames() {
    const start = this.stack.indexOf("\n");
    return start === -1 ? "" : this.stack.slice(start);
  }
}

/**
 * @param {AbortSignal} signal
 * @param {CallSite} [site]
 */
function aborted(signal, site) {
  const info = /** @type {const} */ ({
    code: "cancelled",
    message: "the request was aborted by its signal",
  });
  return new IndwellError(info, { cause: signal.reason, site });
}

/**
 * @param {string} field
 * @param {unknown} value
 * @param {string} limit what is allowed
 * @param {string} remedy
 */
function invalid(field, value, limit, remedy) {
  const shown = show(value);
  // The runtime's own words, so that one fault reads the same wherever it is found.
  const message = `${field} is ${shown}, but must be ${limit}: ${remedy}`;
  return new IndwellError({ code: "invalid_request", message, field, value: shown, limit, remedy });
}

/**
 * A value in words that fit in a message.
 *
 * @param {unknown} value
 */
function show(value) {
  if (typeof value === "string")
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return String(value);
}

module.exports = { CallSite, IndwellError, aborted, invalid };
