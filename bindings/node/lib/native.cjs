"use strict";

/**
 * The native module, and how to wait for it.
 *
 * Each JavaScript thread has one native environment. Operations have keys; a handle's `take` says
 * at once what has happened, and where that is nothing yet, `rung` waits until the native side
 * rings the key. The process stays alive as long as something waits, and no longer.
 */
const { join } = require("node:path");

const file = join(
  process.env.INDWELL_NATIVE_DIR ?? join(__dirname, "..", "native"),
  "indwell_node.node",
);

/** @returns {NativeModule} */
function load() {
  try {
    return require(file);
  } catch (error) {
    const remedy = "build it with `cargo xtask stage`, or set INDWELL_NATIVE_DIR to its folder";
    throw new Error(`indwell's native module cannot be loaded from ${file}: ${remedy}`, {
      cause: error,
    });
  }
}

const native = load();

/** @type {Map<number, { resolve: () => void, owner: unknown }>} who waits, by key */
const waiting = new Map();
/** The key that questions to the caller's functions ring; operations have others. */
const QUESTIONS = 0;
let lastKey = QUESTIONS;
let onQuestions = () => {};

const environment = new native.Environment((keys) => {
  for (const key of keys) ring(key);
});

// `process.exit` does not run the native side's own cleanup, and must not pull llama.cpp away under
// a running step.
process.on("exit", () => environment.end());

/** A key that nobody waits for. */
function newKey() {
  do lastKey = (lastKey + 1) >>> 0;
  while (lastKey === QUESTIONS || waiting.has(lastKey));
  return lastKey;
}

/**
 * Waits until `key` is rung. At most one may wait for a key.
 *
 * @param {number} key
 * @param {unknown} owner what must not be collected while somebody waits
 * @returns {Promise<void>}
 */
function rung(key, owner) {
  return new Promise((resolve) => {
    waiting.set(key, { resolve, owner });
    if (waiting.size === 1) environment.hold();
  });
}

/**
 * Resumes who waits for `key`, if anybody does.
 *
 * @param {number} key
 */
function ring(key) {
  if (key === QUESTIONS) return onQuestions();
  const waiter = waiting.get(key);
  if (waiter === undefined) return;
  waiting.delete(key);
  if (waiting.size === 0) environment.release();
  waiter.resolve();
}

/**
 * Names the one who takes questions when they come.
 *
 * @param {() => void} listener
 */
function listenForQuestions(listener) {
  onQuestions = listener;
}

module.exports = {
  environment,
  listenForQuestions,
  newKey,
  ring,
  rung,
  version: environment.version,
};

/**
 * @typedef {object} NativeModule
 * @property {new (callback: (keys: number[]) => void) => NativeEnvironment} Environment
 *
 * @typedef {object} NativeEnvironment
 * @property {string} version
 * @property {() => void} end
 * @property {() => void} hold
 * @property {() => void} release
 * @property {() => { questions: Question[], forgotten: number[] }} questions
 * @property {(question: number, answer: boolean | string | Float32Array) => void} answer a text is why there is none
 * @property {(key: number, model: string, options: NamedValue[]) => NativePending} load
 * @property {(key: number) => NativePending} devices
 *
 * @typedef {object} NativeEngine
 * @property {import("../index.cjs").ModelInfo} model
 * @property {boolean} closed
 * @property {() => import("../index.cjs").EngineStats | ErrorInfo} stats
 * @property {() => import("../index.cjs").CacheStats | ErrorInfo} caches
 * @property {() => import("../index.cjs").EngineMemory | ErrorInfo} memory
 * @property {() => { text: string } | ErrorInfo} metrics
 * @property {(key: number, messages: string, options: NamedValue[]) => NativePending | Outcome} cachePrefix
 * @property {(key: number, bytes: number) => NativePending} trim
 * @property {(key: number, options: NamedValue[]) => NativePending} drain
 * @property {(key: number) => NativePending} close
 * @property {(key: number, cacheSalt: string | undefined) => NativePending} invalidateResponses
 * @property {(key: number, input: Input, hasTime: boolean) => NativePending | Outcome} reply
 * @property {(key: number, input: Input, hasTime: boolean) => NativeStream} stream
 * @property {(key: number, method: string, path: string, body: Uint8Array) => NativeExchange} dispatch
 *
 * @typedef {object} NativePrefix
 * @property {number} tokens
 * @property {() => void} unpin
 *
 * @typedef {object} NativePending
 * @property {() => Taken | null} take
 * @property {() => void} cancel
 *
 * @typedef {object} NativeStream
 * @property {() => Batch | null} take
 * @property {() => void} cancel
 *
 * @typedef {object} NativeExchange
 * @property {() => Part | null} take
 * @property {() => void} cancel
 *
 * @typedef {{ what: "engine", value: NativeEngine }
 *   | { what: "reply", value: import("../index.cjs").Reply }
 *   | { what: "prefix", value: NativePrefix }
 *   | { what: "count", value: number }
 *   | { what: "devices", value: import("../index.cjs").Device[] }
 *   | { what: "drained", value: boolean }
 *   | { what: "closed", value: true }
 *   | { what: "progress", value: import("../index.cjs").Progress }
 *   | { what: "failed", value: ErrorInfo }} Taken
 *
 * @typedef {Exclude<Taken, { what: "progress" }>} Outcome
 *
 * @typedef {object} Batch
 * @property {(string | Exclude<import("../index.cjs").StreamEvent, FinishedEvent>)[]} events a text
 *   alone is text of the first answer, without log-probabilities
 * @property {FinishedEvent} [finished]
 * @property {ErrorInfo} [failed]
 * @typedef {import("../index.cjs").FinishedEvent} FinishedEvent
 *
 * @typedef {object} Part more of the answer to a request of HTTP
 * @property {{ status: number, headers: [string, string][] }} [head] in the first one
 * @property {string} body
 * @property {boolean} ended whether that is all of it
 * @property {ErrorInfo} [failed]
 *
 * @typedef {object} ErrorInfo
 * @property {import("../index.cjs").ErrorCode} code
 * @property {string} message
 * @property {string} [field]
 * @property {string} [value]
 * @property {string} [limit]
 * @property {string} [remedy]
 * @property {number} [retryAfterMs]
 *
 * @typedef {null | boolean | number | bigint | string} Scalar
 * @typedef {object} NamedValue
 * @property {string} name in the runtime's spelling
 * @property {Scalar | Scalar[]} value
 * @property {string} [json] in place of `value`, for one that holds objects
 *
 * @typedef {object} Input
 * @property {string} [messages] of a chat, as JSON
 * @property {string} [prompt] of a completion
 * @property {NamedValue[]} options
 * @property {{ asker: number, distanceMax: number, timeoutMs?: number }} [semantic]
 *
 * @typedef {object} Question either to embed or to verify
 * @property {number} id
 * @property {number} asker
 * @property {string} [embed]
 * @property {import("../index.cjs").SemanticMatch} [verify]
 */
