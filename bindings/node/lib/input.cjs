"use strict";

/**
 * What a call is about, on its way in: a chat's messages, a completion's prompt, a model, a number
 * of bytes.
 *
 * Shapes are checked here, where they are still JavaScript's; what roles there are and that there
 * is something to answer is the runtime's to say.
 */
const { fileURLToPath } = require("node:url");

const { invalid } = require("./error.cjs");
const { wellFormed } = require("./text.cjs");

/** @typedef {import("../index.cjs").Message} Message */

/**
 * @param {unknown} messages
 * @returns {Message[]}
 */
function parseMessages(messages) {
  if (typeof messages === "string")
    return [{ role: "user", content: wellFormed("messages", messages) }];
  if (Array.isArray(messages)) return messages.map(parseMessage);
  throw invalid(
    "messages",
    messages,
    "text or an array of messages",
    'give messages like { role: "user", content: "Hello" }',
  );
}

/**
 * @param {unknown} message
 * @param {number} index
 */
function parseMessage(message, index) {
  const field = `messages[${index}]`;
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    throw invalid(
      field,
      message,
      "a message",
      'give an object like { role: "user", content: "Hello" }',
    );
  }
  const { role, content, ...rest } = /** @type {Record<string, unknown>} */ (message);
  for (const key of Object.keys(rest)) {
    throw invalid(
      `${field}.${key}`,
      rest[key],
      "left out",
      "a message has a role and content, nothing else",
    );
  }
  return {
    role: /** @type {Message["role"]} */ (parseText(`${field}.role`, role)),
    content: parseText(`${field}.content`, content),
  };
}

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

module.exports = { parseBytes, parseMessages, parseModel, parsePrompt };
