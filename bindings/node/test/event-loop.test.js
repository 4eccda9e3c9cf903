/**
 * The event loop is never blocked, and readers do not wait for each other.
 */
import assert from "node:assert/strict";
import { it } from "node:test";

import { Engine } from "indwell";

import { MODEL, collected, loaded, until } from "../testing/fixture.js";
import { TICK_MS, startIdleProcess, startTimer } from "../testing/timer.js";

const SLIP_MS_MAX = 100;

/**
 * Asserts that a timer stays on time beside `work`. On a machine with too much else to do every
 * process is late now and then, one that does nothing too: what that one is late meanwhile is the
 * machine's, and allowed for.
 */
async function assertOnTime(what, work) {
  const stopIdle = await startIdleProcess();
  const stop = startTimer();
  await work();
  const { worst, ticks } = stop();
  const idle = await stopIdle();
  const figures =
    `${what}: a ${TICK_MS} ms timer slipped by ${worst.toFixed(1)} ms at most, ` +
    `an idle process's by ${idle.worst.toFixed(1)} ms, in ${ticks} ticks`;
  console.log(`# ${figures}`);
  assert.ok(worst <= SLIP_MS_MAX + idle.worst, figures);
  return ticks;
}

it("keeps a timer on time while 8 long generations run", async (t) => {
  const engine = await loaded(t, { contextTokens: 8192 });
  const options = { maxTokens: 200, temperature: 1, seed: 5 };
  const prompts = Array.from({ length: 8 }, (_, index) => `Chapter ${index + 1}. It was a night`);
  const ticks = await assertOnTime("8 streams", () =>
    Promise.all(
      prompts.map((prompt) => collected(engine.complete(prompt, { ...options, stream: true }))),
    ),
  );
  assert.ok(ticks > 50, "the generations were long");
  await assertOnTime("8 replies", () =>
    Promise.all(prompts.map((prompt) => engine.complete(prompt, options))),
  );
});

it("keeps a timer on time while prompts are prepared, and while models load and close", async (t) => {
  const engine = await loaded(t, { contextTokens: 2048 });
  const huge = "word ".repeat(400_000);
  await assertOnTime("40 prompts of 2 MB", async () => {
    for (let round = 0; round < 20; round++) {
      await assert.rejects(engine.complete(huge), { code: "context_overflow" });
      const stream = engine.chat(huge, { stream: true });
      await assert.rejects(stream.next(), { code: "context_overflow" });
      // What is refused as soon as it is asked for gives no timer a turn.
      await new Promise(setImmediate);
    }
  });
  await assertOnTime("load and close", async () => {
    for (let cycle = 0; cycle < 3; cycle++) {
      await (await Engine.load(MODEL, { contextTokens: 1024 })).close();
    }
  });
});

it("keeps a timer on time while prefixes are computed, found again and trimmed", async (t) => {
  const engine = await loaded(t, { contextTokens: 4096, prefixCacheTokens: 256 });
  await assertOnTime("prefixes", async () => {
    for (let round = 0; round < 4; round++) {
      const prompt = `Part ${round % 2}. ${"word ".repeat(200)}`;
      const stream = engine.complete(prompt, { maxTokens: 16, stream: true });
      const [prefix, freed] = await Promise.all([
        engine.cachePrefix(prompt),
        engine.trim(2 ** 20),
        collected(stream),
      ]);
      prefix.unpin();
      assert.ok(freed >= 0);
    }
  });
});

it("keeps a timer on time while stored answers are asked for, one after another and at once", async (t) => {
  const engine = await loaded(t, { contextTokens: 2048, responseCacheBytes: 2 ** 24 });
  const ask = (prompt) => engine.complete(prompt, { maxTokens: 8 });
  await ask("Once upon a time");
  // Nothing else gives the event loop a turn.
  const ticks = await assertOnTime("10,000 stored answers", async () => {
    for (let round = 0; round < 10_000; round++) {
      const { usage } = await ask("Once upon a time");
      assert.equal(usage.cache, "response");
    }
  });
  assert.ok(ticks > 2, `${ticks} ticks`);
  // Each is short, but all of them together take long to prepare.
  const prompt = "word ".repeat(400);
  await ask(prompt);
  await assertOnTime("200 stored answers at once", async () => {
    const replies = await Promise.all(Array.from({ length: 200 }, () => ask(prompt)));
    assert.ok(replies.every(({ usage }) => usage.cache === "response"));
  });
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

it("keeps a timer on time while grammars are compiled, which delay no reply to others", async (t) => {
  const engine = await loaded(t, { contextTokens: 2048 });
  const schema = (fields) => ({
    type: "object",
    properties: Object.fromEntries(
      Array.from({ length: fields }, (_, index) => [`field${index}`, { type: "string" }]),
    ),
    additionalProperties: false,
  });
  // Made before, and the one that is refused for its size is text: looking through half a megabyte of
  // objects takes the loop's time, as making them does.
  const [large, tooLarge] = [schema(300), JSON.stringify(schema(30_000))];
  const compile = (options) =>
    engine.complete("Once", { maxTokens: 1, ...options }).then(
      () => "met",
      ({ code }) => code,
    );
  await assertOnTime("schemas, and regular expressions that explode", async () => {
    const compiled = [
      { jsonSchema: large },
      { regex: "(a{1,1000}){1,1000}" },
      { lark: "start: /(x+x+)+y{1,500}/" },
      { jsonSchema: tooLarge },
    ].map(compile);
    const plain = await Promise.all(
      [1, 2, 3].map((index) => engine.complete(`Story ${index}:`, { maxTokens: 4 })),
    );
    assert.ok(plain.every(({ usage }) => usage.completionTokens === 4));
    for (const outcome of await Promise.all(compiled))
      assert.ok(["met", "invalid_request"].includes(outcome), outcome);
  });
});

it("keeps a timer on time while bodies are fetched", async (t) => {
  const engine = await loaded(t, { contextTokens: 4096 });
  const fetched = async (prompt, options) => {
    const body = JSON.stringify({ prompt, max_tokens: 40, stream: true, ...options });
    const response = await engine.fetch("/v1/completions", { method: "POST", body });
    return response.text();
  };
  await assertOnTime("8 streams of server-sent events", async () => {
    const bodies = await Promise.all(
      Array.from({ length: 8 }, (_, index) => fetched(`Chapter ${index}. It was`)),
    );
    assert.ok(bodies.every((body) => body.endsWith("data: [DONE]\n\n")));
  });
  await assertOnTime("8 bodies of 2 MB", async () => {
    for (let round = 0; round < 8; round++)
      assert.match(await fetched("word ".repeat(400_000)), /context_length_exceeded/);
  });
});
