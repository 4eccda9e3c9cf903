"use strict";

/**
 * Semantic mode's functions: checked as they come in, and called on this thread when the runtime
 * asks.
 *
 * The native side knows a request's functions by a number, its asker, and says when it will ask no
 * more. Until then they are here. Whatever a function throws or rejects with is its answer, so
 * nothing is ever thrown where nobody listens.
 */
const { types } = require("node:util");

const { invalid } = require("./error.cjs");
const { environment, listenForQuestions } = require("./native.cjs");

/**
 * @typedef {import("../index.cjs").Semantic} Semantic
 * @typedef {import("./native.cjs").Question} Question
 */

/** @type {Map<number, Semantic>} */
const askers = new Map();
let lastAsker = 0;

/**
 * @param {unknown} semantic
 * @returns {Semantic | undefined}
 */
function parseSemantic(semantic) {
  if (semantic === undefined || semantic === null) return undefined;
  if (typeof semantic !== "object" || Array.isArray(semantic)) {
    throw invalid("semantic", semantic, "an object", "give { distanceMax, embed, verify }");
  }
  const { distanceMax, embed, verify, timeoutMs, ...rest } =
    /** @type {Record<string, unknown>} */ (semantic);
  for (const key of Object.keys(rest)) {
    throw invalid(
      `semantic.${key}`,
      rest[key],
      "left out",
      "there are distanceMax, embed, verify and timeoutMs",
    );
  }
  return {
    distanceMax: parseDistance(distanceMax),
    embed: parseFunction("semantic.embed", embed),
    verify: parseFunction("semantic.verify", verify),
    timeoutMs: parseTimeout(timeoutMs),
  };
}

/** @param {unknown} distance */
function parseDistance(distance) {
  if (typeof distance === "number") return distance;
  throw invalid("semantic.distanceMax", distance, "a number from 0 to 2", "begin with 0.1");
}

/**
 * @param {string} field
 * @param {unknown} value
 */
function parseFunction(field, value) {
  if (typeof value === "function") return /** @type {(argument: any) => any} */ (value);
  throw invalid(field, value, "a function", "give one, which may be async");
}

/** @param {unknown} ms */
function parseTimeout(ms) {
  if (ms === undefined || ms === null) return undefined;
  if (typeof ms === "number" && ms > 0 && ms < Infinity) return ms;
  throw invalid(
    "semantic.timeoutMs",
    ms,
    "a finite number above 0",
    "say how long each function may take, or leave it out for 1000",
  );
}

/**
 * A request's semantic mode as the native side takes it. From now on its functions may be called.
 *
 * @param {Semantic} semantic
 */
function asked(semantic) {
  do lastAsker = (lastAsker + 1) >>> 0;
  while (askers.has(lastAsker));
  askers.set(lastAsker, semantic);
  const { distanceMax, timeoutMs } = semantic;
  return { asker: lastAsker, distanceMax, timeoutMs };
}

listenForQuestions(() => {
  const { questions, forgotten } = environment.questions();
  for (const question of questions) answer(question);
  for (const asker of forgotten) askers.delete(asker);
});

/** @param {Question} question */
async function answer(question) {
  environment.answer(question.id, await answerTo(question));
}

/** @param {Question} question */
async function answerTo({ asker, embed, verify }) {
  try {
    const semantic = askers.get(asker);
    if (semantic === undefined) return "its request is over";
    if (verify !== undefined) return agreement(await semantic.verify(verify));
    return vector(await semantic.embed(/** @type {string} */ (embed)));
  } catch (error) {
    return inWords(error);
  }
}

/** @param {unknown} agrees */
function agreement(agrees) {
  return typeof agrees === "boolean" ? agrees : "it gave neither true nor false";
}

/** @param {unknown} numbers */
function vector(numbers) {
  if (types.isFloat32Array(numbers)) return numbers;
  if (types.isFloat64Array(numbers) || isNumbers(numbers)) return Float32Array.from(numbers);
  return "it gave neither an array of numbers nor a Float32Array or Float64Array";
}

/**
 * @param {unknown} value
 * @returns {value is number[]}
 */
function isNumbers(value) {
  return Array.isArray(value) && value.every((each) => typeof each === "number");
}

/**
 * Anything can be thrown, also what can't be shown.
 *
 * @param {unknown} error
 */
function inWords(error) {
  try {
    return String(error);
  } catch {
    return "it threw what has no text";
  }
}

module.exports = { asked, parseSemantic };
