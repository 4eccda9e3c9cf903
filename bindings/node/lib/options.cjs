"use strict";

/**
 * Options on their way in: those that this binding answers to, and those that the runtime does.
 *
 * Only what cannot cross is refused here. Which names exist and which values are in range is the
 * runtime's to say, in every language alike.
 */
const { invalid } = require("./error.cjs");
const { toJson } = require("./json.cjs");
const { runtimeName } = require("./names.cjs");
const { parseSemantic } = require("./semantic.cjs");
const { wellFormed } = require("./text.cjs");

/** @typedef {import("./native.cjs").NamedValue} NamedValue */

const INTEGER_MAX = 2n ** 63n - 1n;

/** @param {unknown} options of `Engine.load` */
function parseLoadOptions(options) {
  const { signal, onProgress, ...rest } = parseObject(options);
  return {
    signal: parseSignal(signal),
    onProgress: parseListener(onProgress),
    named: parseNamed(rest),
  };
}

/** @param {unknown} options of a request */
function parseRequestOptions(options) {
  const { signal, stream, semantic, ...rest } = parseObject(options);
  if (stream !== undefined && stream !== null && typeof stream !== "boolean") {
    throw invalid("stream", stream, "true or false", "give a boolean, or leave it out for a reply");
  }
  return {
    signal: parseSignal(signal),
    named: parseNamed(rest),
    semantic: parseSemantic(semantic),
  };
}

/**
 * Whose answers are meant: `undefined` for everybody's.
 *
 * @param {unknown} options of `invalidateResponses`
 */
function parseSalt(options) {
  const { cacheSalt, ...rest } = parseObject(options);
  for (const key of Object.keys(rest))
    throw invalid(key, rest[key], "left out", "give cacheSalt, or nothing for all answers");
  if (cacheSalt === undefined || cacheSalt === null) return undefined;
  if (typeof cacheSalt === "string") return wellFormed("cacheSalt", cacheSalt);
  throw invalid("cacheSalt", cacheSalt, "text", "give the salt of the requests that are meant");
}

/** @param {unknown} options of a drain */
function parseDrainOptions(options) {
  return parseNamed(parseObject(options));
}

/** @param {unknown} options of a prefix */
function parsePrefixOptions(options) {
  const { signal, semantic, ...rest } = parseObject(options);
  // The runtime would say so too, but functions can't cross to it.
  if (semantic !== undefined && semantic !== null)
    throw invalid("semantic", semantic, "left out", "give it to chats and completions");
  return { signal: parseSignal(signal), named: parseNamed(rest) };
}

/**
 * @param {unknown} options
 * @returns {Record<string, unknown>}
 */
function parseObject(options) {
  if (options === undefined) return {};
  if (typeof options === "object" && options !== null && !Array.isArray(options))
    return { ...options };
  throw invalid("options", options, "an object", "give options by name, as in { maxTokens: 64 }");
}

/**
 * @param {Record<string, unknown>} options
 * @returns {NamedValue[]}
 */
function parseNamed(options) {
  return Object.entries(options).map(([key, value]) => ({
    name: runtimeName(key),
    ...parseValue(key, value),
  }));
}

/**
 * @param {string} key
 * @param {unknown} value
 * @returns {Omit<NamedValue, "name">}
 */
function parseValue(key, value) {
  if (isScalar(value)) return { value: parseScalar(key, value) };
  if (Array.isArray(value) && value.every(isScalar))
    return { value: value.map((item, index) => parseScalar(`${key}[${index}]`, item)) };
  return { value: null, json: toJson(key, value) };
}

/** @param {unknown} value */
function isScalar(value) {
  return typeof value !== "object" || value === null;
}

/**
 * @param {string} field
 * @param {unknown} value
 * @returns {import("./native.cjs").Scalar}
 */
function parseScalar(field, value) {
  switch (typeof value) {
    case "undefined":
      return null;
    case "boolean":
    case "number":
      return value;
    case "string":
      return wellFormed(field, value);
    case "bigint":
      if (value > INTEGER_MAX || value < -INTEGER_MAX - 1n) {
        throw invalid(field, value, "an integer of 64 bits", `give at most ${INTEGER_MAX}n`);
      }
      return value;
    default:
      if (value === null) return null;
      throw invalid(
        field,
        value,
        "a boolean, a number, text, an array or an object",
        "give one of these, or leave it out",
      );
  }
}

/**
 * @param {unknown} signal
 * @returns {AbortSignal | undefined}
 */
function parseSignal(signal) {
  if (signal === undefined || signal === null) return undefined;
  // Not `instanceof`: polyfills and other realms make signals too.
  const like = /** @type {Partial<AbortSignal>} */ (signal);
  if (
    typeof like === "object" &&
    typeof like.aborted === "boolean" &&
    typeof like.addEventListener === "function"
  ) {
    return /** @type {AbortSignal} */ (signal);
  }
  throw invalid("signal", signal, "an AbortSignal", "give an AbortController's signal");
}

/**
 * @param {unknown} listener
 * @returns {Function | undefined}
 */
function parseListener(listener) {
  if (listener === undefined || listener === null) return undefined;
  if (typeof listener === "function") return listener;
  throw invalid("onProgress", listener, "a function", "give a function that takes the progress");
}

module.exports = {
  parseDrainOptions,
  parseLoadOptions,
  parsePrefixOptions,
  parseRequestOptions,
  parseSalt,
};
