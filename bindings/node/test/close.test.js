/**
 * The end of an engine: closed once, twice, with requests in flight, by `await using`, by being
 * dropped.
 */
import assert from "node:assert/strict";
import { it } from "node:test";

import { Engine } from "indwell";

import { COMPUTING, MODEL, collected, loaded } from "../testing/fixture.js";

const SMALL = { ...COMPUTING, contextTokens: 1024, sequencesMax: 4 };

it("closes, and a second close does nothing", async () => {
  const engine = await Engine.load(MODEL, SMALL);
  assert.equal(engine.closed, false);
  await Promise.all([engine.close(), engine.close()]);
  assert.equal(engine.closed, true);
  await engine.close();
});

it("refuses what comes after the close", async () => {
  const engine = await Engine.load(MODEL, SMALL);
  await engine.close();
  await assert.rejects(engine.chat("Hello"), { code: "engine_closed", name: "IndwellError" });
  await assert.rejects(engine.complete("Hello"), { code: "engine_closed" });
  await assert.rejects(collected(engine.chat("Hello", { stream: true })), {
    code: "engine_closed",
  });
  // What it was and did can still be told.
  assert.ok(engine.model.parameters > 0);
  assert.equal(engine.stats().requestsFinished, 0);
});

it("ends requests in flight with one typed error each", async () => {
  const engine = await Engine.load(MODEL, SMALL);
  const options = { maxTokens: 900, temperature: 1, seed: 3 };
  const stream = engine.complete("Once", { ...options, stream: true });
  await stream.next();
  const outcomes = Promise.allSettled([
    engine.complete("Once", options),
    engine.complete("Twice", options),
    collected(stream),
    ...Array.from({ length: 8 }, () => engine.complete("Waiting", options)),
  ]);
  await engine.close();
  for (const outcome of await outcomes) {
    assert.equal(outcome.status, "rejected");
    assert.equal(outcome.reason.code, "engine_closed");
  }
});

it("serves what it has accepted when it is drained, and closes then", async () => {
  const engine = await Engine.load(MODEL, SMALL);
  const accepted = Promise.all(
    Array.from({ length: 6 }, () => engine.complete("Once", { maxTokens: 12, ignoreEos: true })),
  );
  while (engine.stats().requestsRunning === 0) await new Promise(setImmediate);
  const drained = engine.drain({ timeoutMs: 600_000 });
  // Refused while it is drained, and once it is closed.
  const late = () => engine.complete("Late", { maxTokens: 1 }).catch(({ code }) => code);
  while ((await late()) !== "engine_closed");
  for (const { usage } of await accepted) assert.equal(usage.completionTokens, 12);
  assert.equal(await drained, true);
  assert.equal(engine.closed, true);
  assert.equal(await engine.drain(), true);
});

it("cuts off what takes longer than a drain may", async () => {
  const engine = await Engine.load(MODEL, SMALL);
  const stream = engine.complete("Once", { maxTokens: 900, ignoreEos: true, stream: true });
  await stream.next();
  const rest = collected(stream).catch((error) => error.code);
  assert.equal(await engine.drain({ timeoutMs: 50 }), false);
  assert.equal(await rest, "engine_closed");
});

it("is not drained within a time that is none", async () => {
  const engine = await Engine.load(MODEL, SMALL);
  for (const timeoutMs of [0, -1, NaN, Infinity, "soon"])
    await assert.rejects(engine.drain({ timeoutMs }), {
      code: "invalid_request",
      field: "timeoutMs",
    });
  await assert.rejects(engine.drain({ timeout: 1 }), { code: "invalid_request" });
  await assert.rejects(engine.drain("now"), { code: "invalid_request", field: "options" });
  assert.equal((await engine.complete("Once", { maxTokens: 2 })).usage.completionTokens, 2);
  await engine.close();
});

it("closes at the end of its scope", async (t) => {
  if (Symbol.asyncDispose === undefined) return t.skip("this Node has no Symbol.asyncDispose");
  const engine = await Engine.load(MODEL, SMALL);
  await engine[Symbol.asyncDispose]();
  assert.equal(engine.closed, true);
});

it("stays open while a request of it is waited for, even if nothing else refers to it", async () => {
  const reply = await (await Engine.load(MODEL, SMALL)).complete("Once", { maxTokens: 64 });
  assert.ok(reply.usage.completionTokens > 0);
  const events = await collected(
    (await Engine.load(MODEL, SMALL)).complete("Once", { maxTokens: 64, stream: true }),
  );
  assert.equal(events.at(-1).type, "finished");
});

it("runs beside other engines", async (t) => {
  const [first, second] = await Promise.all([loaded(t, SMALL), loaded(t, SMALL)]);
  await first.close();
  assert.ok((await second.complete("Hello", { maxTokens: 4 })).text);
});

it("is made by load alone", () => {
  assert.throws(() => new Engine("smollm2-135m"), TypeError);
});
