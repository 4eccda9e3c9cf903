"use strict";

/**
 * A prefix that is kept: until it is unpinned, or until it is lost and collected, when the native
 * side unpins it.
 */

/**
 * @typedef {import("./native.cjs").NativePrefix} NativePrefix
 * @typedef {import("../index.cjs").CachedPrefix} Contract
 */

/** @implements {Contract} */
class CachedPrefix {
  /** @type {NativePrefix} */
  #native;

  /** @param {NativePrefix} native which nobody has but who asked the engine for it */
  constructor(native) {
    if (native === undefined)
      throw new TypeError("a prefix is made by `await engine.cachePrefix(messages)`");
    this.#native = native;
  }

  get tokens() {
    return this.#native.tokens;
  }

  unpin() {
    this.#native.unpin();
  }

  // Before Node 18.18 there is no such symbol, and this is a method that nobody calls.
  [Symbol.dispose]() {
    this.unpin();
  }
}

module.exports = { CachedPrefix };
