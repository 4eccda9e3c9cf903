/**
 * The event loop is never blocked, and readers do not wait for each other.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { setInterval } from "node:timers/promises";

import { Engine } from "indwell";

import { MODEL, collected, loaded, until } from "../testing/fixture.js";

const TICK_MS = 10;
const SLIP_MS_MAX = 100;

/** Runs `work` beside a timer and gives how late the timer was at worst. */
async function worstSlip(work) {
  const controller = new AbortController();
  const working = work().finally(() => controller.abort());
  let [last, worst, ticks] = [performance.now(), 0, 0];
  try {
    for await (const _ of setInterval(TICK_MS, undefined, { signal: controller.signal })) {
      const now = performance.now();
      worst = Math.max(worst, now - last - TICK_MS);
      last = now;
      ticks += 1;
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
  await working;
  return { worst, ticks };
}

function assertOnTime(what, { worst, ticks }) {
  console.log(
    `# ${what}: a ${TICK_MS} ms timer slipped by ${worst.toFixed(1)} ms at most, over ${ticks} ticks`,
  );
  assert.ok(worst < SLIP_MS_MAX, `${worst} ms`);
}

it("keeps a timer on time while 8 long generations run", async (t) => {
  const engine = await loaded(t, { contextTokens: 8192 });
  const options = { maxTokens: 256, temperature: 1, seed: 5 };
  const prompts = Array.from(
    { length: 8 },
    (_, index) => `Chapter ${index + 1}. It was a dark night and`,
  );
  const streamed = await worstSlip(() =>
    Promise.all(
      prompts.map((prompt) => collected(engine.complete(prompt, { ...options, stream: true }))),
    ),
  );
  assertOnTime("8 streams", streamed);
  assert.ok(streamed.ticks > 50, "the generations were long");
  const whole = await worstSlip(() =>
    Promise.all(prompts.map((prompt) => engine.complete(prompt, options))),
  );
  assertOnTime("8 replies", whole);
});

it("keeps a timer on time while long prompts are prepared, and while models load and close", async (t) => {
  const engine = await loaded(t, { contextTokens: 2048 });
  const huge = "word ".repeat(400_000);
  const prepared = await worstSlip(async () => {
    for (let round = 0; round < 20; round++) {
      await assert.rejects(engine.complete(huge), { code: "context_overflow" });
      await assert.rejects(engine.chat(huge, { stream: true }).next(), {
        code: "context_overflow",
      });
    }
  });
  assertOnTime("40 prompts of 2 MB", prepared);
  const cycled = await worstSlip(async () => {
    for (let cycle = 0; cycle < 3; cycle++)
      await (await Engine.load(MODEL, { contextTokens: 1024 })).close();
  });
  assertOnTime("load and close", cycled);
});

it("does not let a slow reader slow the others", async (t) => {
  const engine = await loaded(t, { contextTokens: 4096, streamCapacity: 8 });
  const options = { maxTokens: 200, temperature: 1, seed: 9, stream: true };
  const alone = performance.now();
  await collected(engine.complete("Once upon a time", options));
  const aloneMs = performance.now() - alone;

  const slow = engine.complete("Once upon a time", options);
  const events = [(await slow.next()).value];
  const start = performance.now();
  await Promise.all(
    [1, 2, 3].map((index) => collected(engine.complete(`Story ${index}:`, options))),
  );
  const besideMs = performance.now() - start;
  console.log(
    `# three streams beside a reader that stands still: ${besideMs.toFixed(0)} ms; one alone: ${aloneMs.toFixed(0)} ms`,
  );
  // The others are done, and the one that is not read has been paused, not lost.
  const { requestsRunning, completionTokens } = engine.stats();
  assert.equal(requestsRunning, 1);
  await new Promise(setImmediate);
  assert.equal(
    engine.stats().completionTokens,
    completionTokens,
    "nothing runs ahead of a reader that stands still",
  );
  events.push(...(await collected(slow)));
  const finished = events.at(-1);
  assert.equal(finished.type, "finished");
  assert.ok(finished.usage.completionTokens > 8);
  await until(() => engine.stats().requestsRunning === 0);
});
