"use strict";

/**
 * The one place that knows two spellings: camelCase as JavaScript's callers write, snake_case as
 * the runtime does.
 */
const { IndwellError } = require("./error.cjs");
const { wellFormed } = require("./text.cjs");

/**
 * The options, and the fields of messages, of more than one word, so that the runtime's sentences can
 * be put in the caller's spelling.
 */
const NAMES = [
  "bannedStrings",
  "batchTokens",
  "bestOf",
  "cacheSalt",
  "cacheTtlMs",
  "chatTemplate",
  "contextTokens",
  "continueFinalMessage",
  "defaultMaxTokens",
  "diskCacheBytes",
  "diskCacheDir",
  "distanceMax",
  "dryAllowedLength",
  "dryBase",
  "dryMultiplier",
  "dryPenaltyLastN",
  "drySequenceBreakers",
  "dynatempExponent",
  "dynatempRange",
  "flashAttention",
  "frequencyPenalty",
  "gpuLayers",
  "hostCacheBytes",
  "ignoreEos",
  "itlTargetMs",
  "jsonObject",
  "jsonSchema",
  "logitBias",
  "maxTokens",
  "memoryBytes",
  "minP",
  "minTokens",
  "mirostatEta",
  "mirostatTau",
  "parallelToolCalls",
  "parseSpecial",
  "prefillChunkTokens",
  "prefixCacheTokens",
  "presencePenalty",
  "promptLogprobs",
  "queueRequestsMax",
  "queueTokensMax",
  "reasoningParser",
  "repeatLastN",
  "repeatPenalty",
  "responseCacheBytes",
  "responseCacheDir",
  "responseCacheTtlMs",
  "separateReasoning",
  "sequencesMax",
  "stopTokens",
  "streamCapacity",
  "templateArgs",
  "timeoutMs",
  "toolCallId",
  "toolCalls",
  "toolChoice",
  "toolParser",
  "topK",
  "topLogprobs",
  "topNSigma",
  "topP",
  "typicalP",
  "xtcProbability",
  "xtcThreshold",
];
const RUNTIME_NAMES = NAMES.map(snakeCase);
/** What is not put in another spelling: a path may hold any word, and samplers' names are values. */
const VERBATIM = ["model", "samplers"];

/** @param {string} name */
function snakeCase(name) {
  return name.replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`);
}

/** @param {string} name */
function camelCase(name) {
  return name.replace(/_+([a-z0-9])/g, (_, next) => next.toUpperCase());
}

/**
 * An option's name as the runtime spells it.
 *
 * @param {string} key
 */
function runtimeName(key) {
  // Else there would be two spellings of one option, and one would win in silence.
  if (!key.includes("_")) return snakeCase(wellFormed("options", key));
  const remedy = `write ${camelCase(key)}`;
  const message = `there is no option ${JSON.stringify(key)}: ${remedy}`;
  throw new IndwellError({ code: "invalid_request", message, field: key, remedy });
}

/**
 * An error of the runtime's in the caller's spelling.
 *
 * @param {import("./native.cjs").ErrorInfo} info
 * @returns {import("./native.cjs").ErrorInfo}
 */
function inCallersSpelling(info) {
  if (info.field !== undefined && VERBATIM.includes(info.field)) return info;
  const names = info.field === undefined ? RUNTIME_NAMES : [...RUNTIME_NAMES, info.field];
  const words = new RegExp(`(?<!\\w)(?:${names.map(escape).join("|")})(?!\\w)`, "g");
  const spell = (/** @type {string | undefined} */ text) => text?.replace(words, camelCase);
  return {
    ...info,
    message: info.message.replace(words, camelCase),
    field: spell(info.field),
    limit: spell(info.limit),
    remedy: spell(info.remedy),
  };
}

/** @param {string} text */
function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

module.exports = { inCallersSpelling, runtimeName };
