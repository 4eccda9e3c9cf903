"use strict";

/**
 * The stream of a request's events: an async iterator that takes events from the engine in batches
 * and gives them out one by one.
 *
 * It ends with exactly one of: the `finished` event, a rejection, or, for who stops reading,
 * silence. Leaving it (`break`, `return`, `throw`), cancelling it, aborting its signal and losing
 * the last reference to it all cancel the request.
 */
const { IndwellError, aborted } = require("./error.cjs");
const { inCallersSpelling } = require("./names.cjs");
const { newKey, ring, rung } = require("./native.cjs");
const { onAbort } = require("./signal.cjs");

/**
 * @typedef {import("../index.cjs").StreamEvent} StreamEvent
 * @typedef {import("../index.cjs").TokenStream} Contract
 * @typedef {import("./native.cjs").Batch} Batch
 * @typedef {import("./native.cjs").NativeStream} NativeStream
 * @typedef {{ start: (key: number) => NativeStream, signal?: AbortSignal }} Opening
 * @typedef {{ signal: AbortSignal, stop: () => void }} Listening
 */

/** @type {Batch} */
const NO_BATCH = Object.freeze({ events: [] });
/** @type {import("../index.cjs").TokenLogprob[]} */
const NO_LOGPROBS = [];
Object.freeze(NO_LOGPROBS);

/** Streams that are collected unread leave their signal. */
const collected = new FinalizationRegistry((/** @type {() => void} */ stop) => stop());

/** @implements {Contract} */
class TokenStream {
  #key = newKey();
  #owner;
  #site;
  /** @type {NativeStream | undefined} no request was made, or it is over */
  #native;
  /** @type {Listening | undefined} */
  #listening;
  #batch = NO_BATCH;
  /** How many of the batch's events were given out. */
  #given = 0;
  /** @type {unknown} what the next reader is to be told, once */
  #failure;
  /** @type {Promise<void> | undefined} who asked before the next batch came waits here, in order */
  #filling;

  /**
   * @param {() => Opening} parse its error rejects the first `next()`
   * @param {object} context
   * @param {unknown} context.owner lives as long as the stream
   * @param {import("./error.cjs").CallSite} context.site
   */
  constructor(parse, { owner, site }) {
    this.#owner = owner;
    this.#site = site;
    try {
      const { start, signal } = parse();
      if (signal?.aborted) throw aborted(signal, site);
      this.#native = start(this.#key);
      if (signal !== undefined) this.#listen(signal);
    } catch (error) {
      this.#failure = error;
    }
  }

  /**
   * Cancels the request. What was read from the engine before is still given out, then reading
   * rejects with `cancelled`, unless the request had finished.
   */
  cancel() {
    this.#native?.cancel();
  }

  /** @returns {Promise<IteratorResult<StreamEvent, undefined>>} */
  next() {
    if (this.#filling === undefined && !this.#isReady()) this.#filling = this.#fill();
    if (this.#filling !== undefined) return this.#filling.then(() => this.next());
    return this.#give();
  }

  /** @returns {Promise<IteratorResult<StreamEvent, undefined>>} */
  return() {
    this.#leave();
    return Promise.resolve({ value: undefined, done: true });
  }

  /**
   * @param {unknown} error
   * @returns {Promise<IteratorResult<StreamEvent, undefined>>}
   */
  throw(error) {
    this.#leave();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  // Before Node 18.18 there is no such symbol, and this is a method that nobody calls.
  async [Symbol.asyncDispose]() {
    this.#leave();
  }

  /** Waits until there is something to give. */
  async #fill() {
    do await rung(this.#key, this);
    while (!this.#isReady());
    this.#filling = undefined;
  }

  /** Whether there is something to give, if need be after a look at what the engine has. */
  #isReady() {
    const { events, finished, failed } = this.#batch;
    if (this.#given < events.length || finished !== undefined || failed !== undefined) return true;
    if (this.#failure !== undefined || this.#native === undefined) return true;
    const batch = this.#native.take();
    if (batch === null) return false;
    this.#batch = batch;
    this.#given = 0;
    return true;
  }

  /** @returns {Promise<IteratorResult<StreamEvent, undefined>>} */
  #give() {
    const { events, finished, failed } = this.#batch;
    if (this.#given < events.length)
      return Promise.resolve({ value: eventOf(events[this.#given++]), done: false });
    if (finished !== undefined) {
      this.#end();
      return Promise.resolve({ value: finished, done: false });
    }
    const failure = failed
      ? new IndwellError(inCallersSpelling(failed), { site: this.#site })
      : this.#failure;
    this.#end();
    if (failure !== undefined) return Promise.reject(failure);
    return Promise.resolve({ value: undefined, done: true });
  }

  /** @param {AbortSignal} signal */
  #listen(signal) {
    // Weakly: a signal that lives long must not keep streams that nobody reads.
    const stop = onAbort(signal, TokenStream.#aborter(new WeakRef(this)));
    this.#listening = { signal, stop };
    collected.register(this, stop, this);
  }

  /** @param {WeakRef<TokenStream>} stream */
  static #aborter(stream) {
    return () => {
      const reader = stream.deref();
      if (reader !== undefined) reader.#abort();
    };
  }

  #abort() {
    const signal = this.#listening?.signal;
    this.#leave();
    if (signal !== undefined) this.#failure = aborted(signal, this.#site);
  }

  /** Cancels the request and drops what was not read. */
  #leave() {
    this.#native?.cancel();
    this.#end();
    ring(this.#key);
  }

  /** Lets go of everything: nothing more comes. */
  #end() {
    this.#native = undefined;
    this.#owner = undefined;
    this.#batch = NO_BATCH;
    this.#given = 0;
    this.#failure = undefined;
    if (this.#listening !== undefined) {
      this.#listening.stop();
      collected.unregister(this);
      this.#listening = undefined;
    }
  }
}

/**
 * @param {Batch["events"][number]} event
 * @returns {StreamEvent}
 */
function eventOf(event) {
  if (typeof event !== "string") return event;
  return { type: "text", choice: 0, text: event, logprobs: NO_LOGPROBS };
}

module.exports = { TokenStream };
