"use strict";

/**
 * What a call is about, on its way in: a completion's prompt, a model, a number of bytes. A chat's
 * messages have a file of their own.
 */
const { fileURLToPath } = require("node:url");

const { invalid } = require("./error.cjs");
const { wellFormed } = require("./text.cjs");

/** @param {unknown} prompt */
function parsePrompt(prompt) {
  return parseText("prompt", prompt);
}

/**
 * @param {unknown} model an alias, a path, or a `file:` URL
 */
function parseModel(model) {
  if (model instanceof URL) {
    if (model.protocol === "file:") return fileURLToPath(model);
    throw invalid(
      "model",
      model.href,
      "an alias, a path or a file: URL",
      "download the model first",
    );
  }
  return parseText("model", model);
}

/**
 * @param {unknown} bytes how many; all there are for `Infinity`
 * @returns {number}
 */
function parseBytes(bytes) {
  const count = typeof bytes === "bigint" ? Number(bytes) : bytes;
  if (typeof count === "number" && count >= 0 && (Number.isInteger(count) || count === Infinity))
    return count;
  throw invalid("bytes", bytes, "a whole number from 0", "give Infinity for all that there are");
}

/**
 * @param {string} field
 * @param {unknown} text
 */
function parseText(field, text) {
  if (typeof text === "string") return wellFormed(field, text);
  throw invalid(field, text, "text", "give a string");
}

module.exports = { parseBytes, parseModel, parsePrompt };
