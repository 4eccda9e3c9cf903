"use strict";

/**
 * Listening to signals. However many requests share a signal, it has one listener of ours: beyond
 * ten Node takes listeners for a leak and warns.
 */

/** @typedef {{ hearers: Set<() => void>, tell: () => void }} Listening */

/** @type {WeakMap<AbortSignal, Listening>} */
const signals = new WeakMap();

/**
 * Calls `hear` when the signal aborts, once. It holds neither more nor longer than `hear` does
 * itself.
 *
 * @param {AbortSignal} signal
 * @param {() => void} hear
 * @returns {() => void} stops listening
 */
function onAbort(signal, hear) {
  const listening = signals.get(signal) ?? listen(signal);
  listening.hearers.add(hear);
  return () => {
    listening.hearers.delete(hear);
    if (listening.hearers.size === 0) unlisten(signal, listening);
  };
}

/** @param {AbortSignal} signal */
function listen(signal) {
  /** @type {Set<() => void>} */
  const hearers = new Set();
  const tell = () => {
    for (const hear of [...hearers]) hear();
  };
  const listening = { hearers, tell };
  signal.addEventListener("abort", tell, { once: true });
  signals.set(signal, listening);
  return listening;
}

/**
 * @param {AbortSignal} signal
 * @param {Listening} listening
 */
function unlisten(signal, listening) {
  signal.removeEventListener("abort", listening.tell);
  // A newer listening may have taken its place.
  if (signals.get(signal) === listening) signals.delete(signal);
}

module.exports = { onAbort };
