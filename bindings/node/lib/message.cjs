"use strict";

/**
 * A chat's messages on their way in, as JSON.
 *
 * What a message may hold, in this package's form and in OpenAI's, is the runtime's to say. Here the
 * two names that JavaScript spells otherwise are put in the runtime's spelling; what lies in them, as
 * a call's arguments, stays as it is.
 */
const { invalid } = require("./error.cjs");
const { toJson } = require("./json.cjs");
const { wellFormed } = require("./text.cjs");

/** @type {Record<string, string>} */
const RUNTIME_NAMES = { toolCallId: "tool_call_id", toolCalls: "tool_calls" };

/** @param {unknown} messages */
function parseMessages(messages) {
  if (typeof messages === "string") {
    const content = wellFormed("messages", messages);
    return JSON.stringify([{ role: "user", content }]);
  }
  if (Array.isArray(messages)) return toJson("messages", messages.map(renamed));
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
function renamed(message, index) {
  const field = `messages[${index}]`;
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    throw invalid(
      field,
      message,
      "a message",
      'give an object like { role: "user", content: "Hello" }',
    );
  }
  const fields = Object.create(null);
  for (const [key, value] of Object.entries(message)) {
    if (value === undefined || value === null) continue;
    const name = RUNTIME_NAMES[key] ?? key;
    if (name in fields)
      throw invalid(`${field}.${key}`, value, "left out beside its other spelling", "say it once");
    fields[name] = value;
  }
  return fields;
}

module.exports = { parseMessages };
