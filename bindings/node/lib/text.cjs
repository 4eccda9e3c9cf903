"use strict";

/**
 * Text that can cross: JavaScript's strings may hold half of a surrogate pair, which no UTF-8 can
 * say, and which would otherwise be replaced in silence.
 */
const { invalid } = require("./error.cjs");

/** @type {(text: string) => boolean} */
const isWellFormed =
  "isWellFormed" in String.prototype
    ? (text) => /** @type {string & { isWellFormed(): boolean }} */ (text).isWellFormed()
    : // With the `u` flag only a surrogate without its other half matches.
      (text) => !/\p{Surrogate}/u.test(text);

/**
 * @param {string} field
 * @param {string} text
 */
function wellFormed(field, text) {
  if (isWellFormed(text)) return text;
  throw invalid(
    field,
    text,
    "valid Unicode, without a surrogate that stands alone",
    "cut text between characters only",
  );
}

module.exports = { isWellFormed, wellFormed };
