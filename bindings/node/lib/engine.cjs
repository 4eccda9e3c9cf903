"use strict";

/**
 * The engine: loading, asking, closing. Nothing here blocks; what the native side does, it does on
 * its own threads.
 */
const { CallSite, IndwellError } = require("./error.cjs");
const { fetched } = require("./fetch.cjs");
const { parseBytes, parseModel, parsePrompt } = require("./input.cjs");
const { parseMessages } = require("./message.cjs");
const { inCallersSpelling } = require("./names.cjs");
const { environment } = require("./native.cjs");
const {
  parseDrainOptions,
  parseLoadOptions,
  parsePrefixOptions,
  parseRequestOptions,
  parseSalt,
} = require("./options.cjs");
const { settled } = require("./pending.cjs");
const { CachedPrefix } = require("./prefix.cjs");
const { asked } = require("./semantic.cjs");
const { TokenStream } = require("./stream.cjs");
const { hasTime } = require("./turn.cjs");

/**
 * @typedef {import("./native.cjs").Input} Input
 * @typedef {import("./native.cjs").NativeEngine} NativeEngine
 * @typedef {import("./native.cjs").NativePrefix} NativePrefix
 * @typedef {import("../index.cjs").Engine} Contract
 * @typedef {import("../index.cjs").Reply} Reply
 * @typedef {ReturnType<typeof parseRequest>} Asked
 */

/** Held by this file alone: engines are made by `Engine.load`. */
const LOADED = Symbol("loaded");

/** @implements {Contract} */
class Engine {
  /** @type {NativeEngine} */
  #native;
  /** @type {import("../index.cjs").ModelInfo} */
  #model;
  /** @type {typeof globalThis.fetch} */
  #fetch;

  /**
   * @param {symbol} token
   * @param {NativeEngine} native
   */
  constructor(token, native) {
    if (token !== LOADED) throw new TypeError("an engine is made by `await Engine.load(model)`");
    this.#native = native;
    this.#model = Object.freeze(native.model);
    // Bound: it is handed over alone.
    this.#fetch = (input, init) => this.#fetched(input, init);
  }

  /**
   * @param {string | URL} model
   * @param {import("../index.cjs").LoadOptions} [options]
   * @returns {Promise<Engine>}
   */
  static async load(model, options) {
    const site = new CallSite(Engine.load);
    const { signal, onProgress, named } = parseLoadOptions(options);
    const source = parseModel(model);
    const start = (/** @type {number} */ key) => environment.load(key, source, named);
    const native = await settled(start, { site, signal, onProgress });
    return new Engine(LOADED, /** @type {NativeEngine} */ (native));
  }

  get model() {
    return this.#model;
  }

  get closed() {
    return this.#native.closed;
  }

  get fetch() {
    return this.#fetch;
  }

  stats() {
    return told(this.#native.stats());
  }

  caches() {
    return told(this.#native.caches());
  }

  memory() {
    return told(this.#native.memory());
  }

  metricsText() {
    return told(this.#native.metrics()).text;
  }

  /**
   * @overload
   * @param {string | readonly import("../index.cjs").Message[]} messages
   * @param {import("../index.cjs").ChatOptions & { stream: true }} options
   * @returns {TokenStream}
   */
  /**
   * @overload
   * @param {string | readonly import("../index.cjs").Message[]} messages
   * @param {import("../index.cjs").ChatOptions & { stream?: false }} [options]
   * @returns {Promise<Reply>}
   */
  /**
   * @param {unknown} messages
   * @param {unknown} [options]
   */
  chat(messages, options) {
    const read = () => ({ messages: parseMessages(messages) });
    return this.#request(read, options, new CallSite(this.chat));
  }

  /**
   * @overload
   * @param {string} prompt
   * @param {import("../index.cjs").CompletionOptions & { stream: true }} options
   * @returns {TokenStream}
   */
  /**
   * @overload
   * @param {string} prompt
   * @param {import("../index.cjs").CompletionOptions & { stream?: false }} [options]
   * @returns {Promise<Reply>}
   */
  /**
   * @param {unknown} prompt
   * @param {unknown} [options]
   */
  complete(prompt, options) {
    const read = () => ({ prompt: parsePrompt(prompt) });
    return this.#request(read, options, new CallSite(this.complete));
  }

  /**
   * @param {string | readonly import("../index.cjs").Message[]} messages
   * @param {import("../index.cjs").PrefixOptions} [options]
   */
  async cachePrefix(messages, options) {
    const site = new CallSite(this.cachePrefix);
    const { signal, named } = parsePrefixOptions(options);
    const given = parseMessages(messages);
    const start = (/** @type {number} */ key) => this.#native.cachePrefix(key, given, named);
    const prefix = await settled(start, { site, owner: this, signal });
    return new CachedPrefix(/** @type {NativePrefix} */ (prefix));
  }

  /** @param {number | bigint} bytes */
  async trim(bytes) {
    const site = new CallSite(this.trim);
    const wanted = parseBytes(bytes);
    const start = (/** @type {number} */ key) => this.#native.trim(key, wanted);
    return /** @type {number} */ (await settled(start, { site, owner: this }));
  }

  /** @param {import("../index.cjs").InvalidateOptions} [options] */
  async invalidateResponses(options) {
    const site = new CallSite(this.invalidateResponses);
    const salt = parseSalt(options);
    const start = (/** @type {number} */ key) => this.#native.invalidateResponses(key, salt);
    return /** @type {number} */ (await settled(start, { site, owner: this }));
  }

  /** @param {import("../index.cjs").DrainOptions} [options] */
  async drain(options) {
    const site = new CallSite(this.drain);
    const named = parseDrainOptions(options);
    const start = (/** @type {number} */ key) => this.#native.drain(key, named);
    return /** @type {boolean} */ (await settled(start, { site, owner: this }));
  }

  async close() {
    const site = new CallSite(this.close);
    await settled((key) => this.#native.close(key), { site, owner: this });
  }

  // Before Node 18.18 there is no such symbol, and this is a method that nobody calls.
  [Symbol.asyncDispose]() {
    return this.close();
  }

  /**
   * @param {string | URL | Request} input
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   */
  #fetched(input, init) {
    return fetched(input, init, {
      owner: this,
      start: (key, { method, path, body }) => this.#native.dispatch(key, method, path, body),
    });
  }

  /**
   * @param {() => Omit<Input, "options">} read
   * @param {unknown} options
   * @param {CallSite} site
   */
  #request(read, options, site) {
    // Whatever else is wrong with them, options that ask for a stream are answered by one.
    if (/** @type {{ stream?: unknown } | null | undefined} */ (options)?.stream === true) {
      return new TokenStream(() => this.#opening(parseRequest(read, options)), {
        owner: this,
        site,
      });
    }
    return this.#reply(read, options, site);
  }

  /** @param {Asked} request */
  #opening(request) {
    const start = (/** @type {number} */ key) =>
      this.#native.stream(key, inputOf(request), hasTime());
    return { start, signal: request.signal };
  }

  /**
   * @param {() => Omit<Input, "options">} read
   * @param {unknown} options
   * @param {CallSite} site
   * @returns {Promise<Reply>}
   */
  async #reply(read, options, site) {
    const request = parseRequest(read, options);
    const start = (/** @type {number} */ key) =>
      this.#native.reply(key, inputOf(request), hasTime());
    const reply = await settled(start, { site, owner: this, signal: request.signal });
    return /** @type {Reply} */ (reply);
  }
}

/**
 * What the native side told at once, if it is no error.
 *
 * @template {object} T
 * @param {T | import("./native.cjs").ErrorInfo} what
 * @returns {T}
 */
function told(what) {
  if ("code" in what) throw new IndwellError(inCallersSpelling(what));
  return what;
}

/**
 * @param {() => Omit<Input, "options">} read
 * @param {unknown} options
 */
function parseRequest(read, options) {
  const { signal, named, semantic } = parseRequestOptions(options);
  return { about: read(), named, semantic, signal };
}

/**
 * What crosses. To be called as it crosses, and not before: the native side says when it is done
 * with an asker.
 *
 * @param {Asked} request
 * @returns {Input}
 */
function inputOf({ about, named, semantic }) {
  return { ...about, options: named, semantic: semantic && asked(semantic) };
}

module.exports = { Engine };
