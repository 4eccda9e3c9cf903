"use strict";

/**
 * How much of the event loop's time requests take.
 *
 * What is prepared on this thread is answered without a wait where the answer is stored. But a
 * program that asks again and again, or very often at once, must not keep timers and sockets
 * waiting: after some milliseconds of one turn of the loop, the rest is prepared elsewhere.
 */
const { performance } = require("node:perf_hooks");

/** Milliseconds of one turn, from its first request on, in which requests are prepared here. */
const TURN_MS = 5;

/** @type {number | undefined} when this turn's time is over; no request was made in it yet */
let until;

/** Whether a request may be prepared on this thread. */
function hasTime() {
  const now = performance.now();
  if (until !== undefined) return now < until;
  until = now + TURN_MS;
  setImmediate(() => (until = undefined));
  return true;
}

module.exports = { hasTime };
