"use strict";

/**
 * The platform's `fetch`, answered by an engine: a request is read as `fetch` reads it, a real
 * `Response` comes back, and no network is between.
 *
 * The body is pulled: what nobody reads stays in the engine, where it pauses its request. Aborting
 * the signal, cancelling the body and losing the response cancel the request.
 */
const { IndwellError } = require("./error.cjs");
const { newKey, ring, rung } = require("./native.cjs");
const { onAbort } = require("./signal.cjs");

/**
 * @typedef {import("./native.cjs").NativeExchange} NativeExchange
 * @typedef {import("./native.cjs").Part} Part
 * @typedef {{ method: string, path: string, body: Uint8Array }} Call
 *
 * @typedef {object} Dispatcher
 * @property {unknown} owner lives as long as the exchange
 * @property {(key: number, call: Call) => NativeExchange} start
 */

/** What an address without a host is below: every host is the engine. */
const BASE = "http://localhost/";
/** Statuses whose responses must have no body. */
const WITHOUT_BODY = [204, 205, 304];

const encoder = new TextEncoder();

/** Bodies that are collected unread leave their signal. */
const collected = new FinalizationRegistry((/** @type {() => void} */ stop) => stop());

/**
 * @param {string | URL | Request} input
 * @param {RequestInit | undefined} init
 * @param {Dispatcher} dispatcher
 * @returns {Promise<Response>}
 */
async function fetched(input, init, { owner, start }) {
  const signal = signalOf(input, init);
  if (signal?.aborted) throw signal.reason;
  const call = await read(input, init);
  if (signal?.aborted) throw signal.reason;
  const key = newKey();
  const exchange = new Exchange(start(key, call), { key, owner, signal });
  const { head, body, ended } = await exchange.next();
  if (head === undefined) throw new TypeError("the engine's answer has no head");
  const { status, headers } = head;
  if (WITHOUT_BODY.includes(status)) return new Response(null, { status, headers });
  return new Response(bodyOf(exchange, { body, ended }), { status, headers });
}

/**
 * @param {string | URL | Request} input
 * @param {RequestInit | undefined} init
 * @returns {AbortSignal | undefined}
 */
function signalOf(input, init) {
  // As `fetch` does: null takes a request's own away.
  const signal = init?.signal === undefined ? /** @type {any} */ (input)?.signal : init.signal;
  return signal ?? undefined;
}

/**
 * @param {string | URL | Request} input
 * @param {RequestInit | undefined} init
 * @returns {Promise<Call>}
 */
async function read(input, init) {
  const address = typeof input === "string" ? new URL(input, BASE) : input;
  // The signal is listened to here, and once is enough.
  const request = new Request(address, { ...init, signal: /** @type {any} */ (null) });
  const { pathname, search } = new URL(request.url);
  const body = new Uint8Array(await request.arrayBuffer());
  return { method: request.method, path: pathname + search, body };
}

/**
 * @param {Exchange} exchange
 * @param {Pick<Part, "body" | "ended">} first
 */
function bodyOf(exchange, first) {
  let part = /** @type {Pick<Part, "body" | "ended"> | undefined} */ (first);
  const source = {
    async pull(/** @type {ReadableStreamDefaultController<Uint8Array>} */ controller) {
      const { body, ended } = part ?? (await exchange.next());
      part = undefined;
      if (body.length > 0) controller.enqueue(encoder.encode(body));
      if (ended) controller.close();
    },
    cancel() {
      exchange.leave();
    },
  };
  // Nothing is read ahead of the reader.
  return new ReadableStream(source, { highWaterMark: 0 });
}

/** The answer to one request as it comes. */
class Exchange {
  #key;
  #owner;
  /** @type {NativeExchange | undefined} it is over */
  #native;
  /** @type {unknown} why it was aborted */
  #reason;
  /** @type {AbortSignal | undefined} */
  #signal;
  #stop = () => {};

  /**
   * @param {NativeExchange} native
   * @param {{ key: number, owner: unknown, signal: AbortSignal | undefined }} context
   */
  constructor(native, { key, owner, signal }) {
    this.#native = native;
    this.#key = key;
    this.#owner = owner;
    this.#signal = signal;
    if (signal === undefined) return;
    // Weakly: a signal that lives long must not keep answers that nobody reads.
    this.#stop = onAbort(signal, Exchange.#aborter(new WeakRef(this)));
    collected.register(this, this.#stop, this);
  }

  /**
   * More of the answer, waiting until there is some.
   *
   * @returns {Promise<Part>}
   */
  async next() {
    for (;;) {
      if (this.#signal?.aborted) throw this.#signal.reason;
      if (this.#native === undefined) throw new TypeError("the answer is over");
      const part = this.#native.take();
      if (part === null) {
        await rung(this.#key, this);
        continue;
      }
      if (part.ended || part.failed !== undefined) this.#end();
      if (part.failed !== undefined) throw new IndwellError(part.failed);
      return part;
    }
  }

  /** Cancels the request and drops what was not read. */
  leave() {
    this.#native?.cancel();
    this.#end();
    ring(this.#key);
  }

  /** @param {WeakRef<Exchange>} exchange */
  static #aborter(exchange) {
    return () => exchange.deref()?.leave();
  }

  #end() {
    this.#native = undefined;
    this.#owner = undefined;
    this.#stop();
    collected.unregister(this);
  }
}

module.exports = { fetched };
