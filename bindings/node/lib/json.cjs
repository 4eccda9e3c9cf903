"use strict";

/**
 * Values that hold others (schemas, tools, arguments of templates) as JSON, the form in which they
 * cross: in the caller's order, every name in them as the caller spells it.
 *
 * What JSON has no form for is refused, not lost: functions, numbers that are not finite, maps and
 * sets, and what holds itself.
 */
const { invalid } = require("./error.cjs");
const { isWellFormed, wellFormed } = require("./text.cjs");

/** Arrays and objects in each other at most: what the native side reads. */
const DEPTH_MAX = 127;

/**
 * @param {string} field
 * @param {unknown} value
 * @returns {string}
 */
function toJson(field, value) {
  // Most values are JSON as they are. Knowing where in them one is takes several times longer.
  return JSON.stringify(isPlain(value, DEPTH_MAX) ? value : plain(field, value, DEPTH_MAX));
}

/**
 * Whether `JSON.stringify` says all of a value, and no more.
 *
 * @param {any} value
 * @param {number} depth how many levels may follow
 * @returns {boolean}
 */
function isPlain(value, depth) {
  switch (typeof value) {
    case "boolean":
      return true;
    case "string":
      return isWellFormed(value);
    case "number":
      return Number.isFinite(value);
    case "object":
      if (value === null) return true;
      if (depth === 0 || typeof value.toJSON === "function") return false;
      if (Array.isArray(value)) return value.every((each) => isPlain(each, depth - 1));
      if (Object.prototype.toString.call(value) !== "[object Object]") return false;
      return Object.keys(value).every(
        (name) => isWellFormed(name) && isPlain(value[name], depth - 1),
      );
    default:
      return false;
  }
}

/**
 * @param {string} field
 * @param {any} value
 * @param {number} depth how many levels may follow
 * @returns {unknown}
 */
function plain(field, value, depth) {
  switch (typeof value) {
    case "boolean":
      return value;
    case "string":
      return wellFormed(field, value);
    case "number":
      if (Number.isFinite(value)) return value;
      throw invalid(field, value, "a finite number", "JSON has no others");
    case "bigint":
      if (Number.isSafeInteger(Number(value))) return Number(value);
      throw invalid(field, value, "an integer below 2^53", "give large numbers as text");
    case "object":
      if (value === null) return null;
      if (depth === 0) {
        // Its whole path would be no help.
        const [option] = field.split(/[.[]/, 1);
        throw invalid(
          option,
          value,
          `at most ${DEPTH_MAX} deep`,
          "give a flatter value, which does not hold itself",
        );
      }
      if (typeof value.toJSON === "function") return plain(field, value.toJSON(), depth - 1);
      return Array.isArray(value) ? list(field, value, depth - 1) : object(field, value, depth - 1);
    default:
      throw invalid(
        field,
        value,
        "a value that JSON has",
        "give null, a boolean, a number, text, an array or an object",
      );
  }
}

/**
 * @param {string} field
 * @param {unknown[]} values
 * @param {number} depth
 */
function list(field, values, depth) {
  return Array.from(values, (value, index) =>
    value === undefined ? null : plain(`${field}[${index}]`, value, depth),
  );
}

/**
 * @param {string} field
 * @param {Record<string, unknown>} value
 * @param {number} depth
 */
function object(field, value, depth) {
  // Not `instanceof`: objects of other realms are objects too.
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (kind !== "Object") {
    throw invalid(field, value, "an array or a plain object", `put what the ${kind} holds in one`);
  }
  // Else a field called `__proto__` would be lost.
  const fields = Object.create(null);
  for (const [name, each] of Object.entries(value)) {
    if (each !== undefined)
      fields[wellFormed(field, name)] = plain(`${field}.${name}`, each, depth);
  }
  return fields;
}

module.exports = { toJson };
