/**
 * What the tests share: which model, waiting for a condition, refusals.
 */
import assert from "node:assert/strict";

import { Engine, IndwellError } from "indwell";

export const MODEL = process.env.INDWELL_TEST_MODEL ?? "smollm2-135m";

/** Engine options with which every request is computed, also one that was answered before. */
export const COMPUTING = { responseCacheBytes: 0 };

/** An engine for one test, closed when the test ends. It computes, unless the options say else. */
export async function loaded(t, options) {
  const engine = await Engine.load(MODEL, { ...COMPUTING, ...options });
  t.after(() => engine.close());
  return engine;
}

/**
 * Waits until `condition` holds, looking once a turn of the event loop. The deadline is for hangs
 * only.
 */
export async function until(condition, what = condition.toString()) {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await new Promise(setImmediate);
  }
}

/** Whether nothing is computed, nothing waits, and only cached prefixes take cells. */
export function idle(engine) {
  const { requestsRunning, requestsWaiting, cellsUsed } = engine.stats();
  const { resident } = engine.caches();
  return requestsRunning === 0 && requestsWaiting === 0 && cellsUsed === resident.tokens;
}

export async function collected(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

export function textOf(events) {
  return events.map((event) => (event.type === "text" ? event.text : "")).join("");
}

/**
 * Asserts that a call is refused with a typed error that names the value, the limit and the remedy.
 */
export async function refused(call, expected) {
  const error = await call.then(
    () => assert.fail("was not refused"),
    (error) => error,
  );
  assert.ok(error instanceof IndwellError, error.stack);
  for (const key of ["code", "field", "value"]) {
    if (key in expected) assert.equal(error[key], expected[key], `${key} of: ${error.message}`);
  }
  for (const key of ["value", "limit", "remedy"])
    assert.equal(typeof error[key], "string", `${key} of: ${error.message}`);
  assert.ok(error.message.includes(error.remedy.slice(0, 20)), error.message);
  // A path may hold anything, and so may what llama.cpp says of it.
  if (error.field !== "model") {
    const said = `${error.message} ${error.field} ${error.limit} ${error.remedy}`;
    const words = said.replaceAll(error.value, "");
    assert.doesNotMatch(
      // Values, not names: the same in every language. So are OpenAI's names.
      words.replaceAll(
        /only_if_cached|reasoning_content|enable_thinking|\b(?:top_k|top_p|min_p|typ_p|top_n_sigma)\b/g,
        "",
      ),
      /\w_\w/,
      "the caller's spelling",
    );
  }
  return error;
}
