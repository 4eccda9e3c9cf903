"use strict";

/**
 * Waiting for an operation with one outcome.
 */
const { IndwellError, aborted } = require("./error.cjs");
const { inCallersSpelling } = require("./names.cjs");
const { newKey, ring, rung } = require("./native.cjs");
const { onAbort } = require("./signal.cjs");

/**
 * @typedef {import("./native.cjs").NativePending} NativePending
 * @typedef {import("./native.cjs").Taken} Taken
 * @typedef {Exclude<Taken, { what: "progress" }>} Outcome
 * @typedef {Exclude<Outcome, { what: "failed" }>} Settled
 *
 * @typedef {object} Waiting
 * @property {import("./error.cjs").CallSite} site
 * @property {unknown} [owner] what must live as long as the operation
 * @property {AbortSignal} [signal]
 * @property {Function} [onProgress]
 */

/**
 * Starts an operation and waits for its outcome, without starting it if the signal is aborted
 * already.
 *
 * @param {(key: number) => NativePending | Outcome} start a stored answer needs no waiting
 * @param {Waiting} waiting
 * @returns {Promise<Settled["value"]>}
 */
async function settled(start, { site, owner, signal, onProgress }) {
  if (signal?.aborted) throw aborted(signal, site);
  const key = newKey();
  const started = start(key);
  if ("what" in started) return valueOf(started, site);
  const pending = started;
  const abort = () => {
    pending.cancel();
    ring(key);
  };
  const stop = signal && onAbort(signal, abort);
  try {
    for (;;) {
      if (signal?.aborted) throw aborted(signal, site);
      const taken = pending.take();
      if (taken === null) await rung(key, owner);
      else if (taken.what === "progress") tell(onProgress, taken.value);
      else return valueOf(taken, site);
    }
  } finally {
    stop?.();
  }
}

/**
 * @param {Outcome} outcome
 * @param {import("./error.cjs").CallSite} site
 */
function valueOf(outcome, site) {
  if (outcome.what === "failed") throw new IndwellError(inCallersSpelling(outcome.value), { site });
  return outcome.value;
}

/**
 * Calls a listener. What it throws is the program's to hear of, not this operation's to fail with.
 *
 * @param {Function | undefined} listener
 * @param {unknown} news
 */
function tell(listener, news) {
  try {
    listener?.(news);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

module.exports = { settled };
