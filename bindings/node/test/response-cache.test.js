/**
 * The response cache: what is answered by what is stored, or by what somebody else is having
 * computed, and what is not.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { Engine } from "indwell";

import { MODEL, collected, idle, loaded, refused, textOf, until } from "../testing/fixture.js";

const SMALL = { contextTokens: 2048, sequencesMax: 4, responseCacheBytes: 2 ** 22 };

describe("the response cache", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, { contextTokens: 4096, batchTokens: 64 });
  });
  after(() => engine.close());

  const ask = (prompt, options) => engine.complete(prompt, { maxTokens: 12, ...options });
  const cacheOf = async (prompt, options) => (await ask(prompt, options)).usage.cache;

  function assertServed(reply, first) {
    const { promptTokens, completionTokens, totalTokens } = first.usage;
    assert.deepEqual(reply.usage, {
      promptTokens,
      completionTokens,
      totalTokens,
      cachedTokens: promptTokens,
      cache: "response",
      semanticDistance: null,
    });
    assert.equal(reply.text, first.text);
    assert.equal(reply.finishReason, first.finishReason);
    assert.deepEqual(reply.logprobs, first.logprobs);
  }

  it("answers the same question again, whole and streamed, without computing anything", async () => {
    for (const options of [
      {},
      { logprobs: true },
      { temperature: 1, seed: 7 },
      { temperature: 1, seed: 7, topK: 40, topP: 0.9, minP: 0.01, logprobs: true },
      { stop: [","], maxTokens: 64 },
    ]) {
      const prompt = "Some colours: red, green,";
      const first = await ask(prompt, options);
      assert.notEqual(first.usage.cache, "response", JSON.stringify(options));
      const before = engine.stats();
      assertServed(await ask(prompt, options), first);
      const events = await collected(ask(prompt, { ...options, stream: true }));
      assert.deepEqual(
        events.map(({ type }) => type),
        ["text", "finished"],
      );
      const [{ text, logprobs }, { reason, usage }] = events;
      assertServed({ text, logprobs, finishReason: reason, usage }, first);
      const after = engine.stats();
      assert.equal(after.steps, before.steps);
      assert.equal(after.completionTokens, before.completionTokens);
      assert.equal(after.requestsFinished, before.requestsFinished + 2);
      assert.equal(after.responseCacheQueries, before.responseCacheQueries + 2);
      assert.equal(after.responseCacheHits, before.responseCacheHits + 2);
      assert.equal(
        after.responseCacheHitRate,
        after.responseCacheHits / after.responseCacheQueries,
      );
    }
    const { response } = engine.caches();
    assert.ok(response.entries >= 5 && response.hits >= 10 && response.misses >= 5);
    assert.ok(response.bytes > 0 && response.bytes <= response.capacityBytes);
  });

  it("answers the same chat again, however its messages were given", async () => {
    const first = await engine.chat("Name a river.", { maxTokens: 8 });
    assertServed(
      await engine.chat([{ role: "user", content: "Name a river." }], { maxTokens: 8 }),
      first,
    );
    const other = await engine.chat([{ role: "user", content: "Name a lake." }], { maxTokens: 8 });
    assert.notEqual(other.usage.cache, "response");
  });

  it("computes what is random, and what was asked with other options", async () => {
    const before = engine.stats();
    for (let round = 0; round < 2; round++)
      assert.notEqual(await cacheOf("Once upon", { temperature: 1 }), "response");
    assert.equal(engine.stats().responseCacheQueries, before.responseCacheQueries);
    const options = { temperature: 1, seed: 3 };
    await ask("Once upon", options);
    for (const other of [
      { seed: 4 },
      { temperature: 0.5 },
      { topK: 5 },
      { topP: 0.5 },
      { minP: 0.5 },
      { maxTokens: 13 },
      { logprobs: true },
      { stop: "the" },
    ]) {
      const cache = await cacheOf("Once upon", { ...options, ...other });
      assert.notEqual(cache, "response", JSON.stringify(other));
    }
    // Neither makes another answer.
    for (const other of [{ timeoutMs: 60_000 }, { parseSpecial: true }])
      assert.equal(await cacheOf("Once upon", { ...options, ...other }), "response");
  });

  it("is used as each request says", async () => {
    const prompt = "Some trees: oak, elm,";
    const missing = { code: "not_cached", name: "IndwellError" };
    const only = { cache: "only_if_cached" };
    await assert.rejects(ask(prompt, only), ({ code, remedy, stack }) => {
      assert.equal(code, missing.code);
      assert.match(remedy, /only_if_cached/);
      assert.match(stack, /response-cache\.test\.js/);
      return true;
    });
    await assert.rejects(ask(prompt, { ...only, stream: true }).next(), missing);

    const bypass = await ask(prompt, { cache: "bypass" });
    assert.deepEqual([bypass.usage.cache, bypass.usage.cachedTokens], [null, 0]);
    await assert.rejects(ask(prompt, only), missing, "bypassing leaves nothing");

    const first = await ask(prompt, { cache: "refresh" });
    assert.notEqual(first.usage.cache, "response");
    assertServed(await ask(prompt, only), first);
    assertServed(await ask(prompt), first);
    assert.equal(await cacheOf(prompt, { cache: "bypass" }), null);

    const { misses } = engine.caches().response;
    assert.notEqual(await cacheOf(prompt, { cache: "refresh" }), "response");
    assert.equal(engine.caches().response.misses, misses + 1);
    assert.equal(await cacheOf(prompt), "response");

    const random = { ...only, temperature: 1 };
    const invalid = { code: "invalid_request", field: "cache" };
    await refused(ask(prompt, random), invalid);
    await refused(ask(prompt, { ...random, stream: true }).next(), invalid);
    await refused(ask(prompt, { cache: "always" }), { ...invalid, value: '"always"' });
  });

  it("keeps an answer as long as the request says", async () => {
    await ask("Some birds: owl, tit,", { cacheTtlMs: 3_600_000 });
    assert.equal(await cacheOf("Some birds: owl, tit,"), "response");
    await ask("Some fish: cod, eel,", { cacheTtlMs: 1 });
    const deadline = performance.now() + 60_000;
    for (let cached = true; cached;) {
      assert.ok(performance.now() < deadline, "it is kept");
      cached = await ask("Some fish: cod, eel,", { cache: "only_if_cached" }).then(
        () => true,
        ({ code }) => (assert.equal(code, "not_cached"), false),
      );
    }
    assert.equal(await cacheOf("Some birds: owl, tit,"), "response");
  });

  it("keeps the answers of salts apart", async () => {
    const prompt = "Some tools: saw, axe,";
    await ask(prompt);
    const tenant = { cacheSalt: "tenant 1" };
    assert.notEqual(await cacheOf(prompt, tenant), "response");
    assert.equal(await cacheOf(prompt, tenant), "response");
    assert.notEqual(await cacheOf(prompt, { cacheSalt: "tenant 2" }), "response");
  });

  it("forgets all answers, or those with a salt", async () => {
    const prompt = "Some towns: Rome, Oslo,";
    const [one, two] = [{ cacheSalt: "one" }, { cacheSalt: "two" }];
    for (const options of [{}, one, two]) await ask(prompt, options);
    assert.equal(await engine.invalidateResponses({ cacheSalt: "nobody" }), 0);
    assert.equal(await engine.invalidateResponses(one), 1);
    assert.notEqual(await cacheOf(prompt, one), "response");
    assert.equal(await cacheOf(prompt, two), "response");
    assert.equal(await cacheOf(prompt), "response");
    const { entries } = engine.caches().response;
    assert.equal(await engine.invalidateResponses(), entries);
    assert.equal(engine.caches().response.entries, 0);
    assert.equal(await engine.invalidateResponses({}), 0);
    for (const options of [{}, one, two])
      assert.notEqual(await cacheOf(prompt, options), "response");

    for (const [options, field, value] of [
      [{ cacheSalt: "" }, "cacheSalt", '""'],
      [{ cacheSalt: 5 }, "cacheSalt", "5"],
      [{ cacheSalt: "\ud800" }, "cacheSalt", '"\\ud800"'],
      [{ salt: "one" }, "salt", '"one"'],
      ["one", "options", '"one"'],
    ]) {
      const invalid = { code: "invalid_request", field, value };
      await refused(engine.invalidateResponses(options), invalid);
    }
  });

  /** 64 streams of one question. */
  function streams(topic, signalOf = () => undefined) {
    const options = { maxTokens: 48, temperature: 1, seed: 11, stream: true };
    return Array.from({ length: 64 }, (_, index) =>
      engine.complete(`A story about ${topic}:`, { ...options, signal: signalOf(index) }),
    );
  }

  it("computes once what 64 ask at once", async () => {
    const before = engine.stats();
    const all = await Promise.all(streams("bees").map(collected));
    const finished = all.map((events) => events.at(-1));
    assert.ok(finished.every(({ type }) => type === "finished"));
    assert.equal(new Set(all.map(textOf)).size, 1, "one text");
    assert.equal(finished.filter(({ usage }) => usage.cache !== "response").length, 1);
    const { completionTokens } = finished[0].usage;
    const after = engine.stats();
    assert.equal(after.completionTokens - before.completionTokens, completionTokens);
    assert.equal(after.requestsFinished - before.requestsFinished, 64);
    assert.equal(after.responseCacheHits - before.responseCacheHits, 63);
  });

  it("gives the rest whole answers when some of them leave", async () => {
    const controllers = Array.from({ length: 64 }, () => new AbortController());
    const { completionTokens } = engine.stats();
    // Every third leaves, the one that came first among them, at various moments.
    const isLeaving = (index) => index % 3 === 0;
    const open = streams("ants", (index) => controllers[index].signal);
    const settled = await Promise.allSettled(
      open.map(async (stream, index) => {
        const events = [];
        for await (const event of stream) {
          events.push(event);
          if (isLeaving(index) && events.length > index / 8) controllers[index].abort();
        }
        return events;
      }),
    );
    const staying = settled.filter((_, index) => !isLeaving(index));
    for (const { status, reason, value } of staying) {
      assert.equal(status, "fulfilled", reason?.stack);
      assert.equal(value.at(-1).type, "finished");
    }
    const texts = new Set(staying.map(({ value }) => textOf(value)));
    assert.equal(texts.size, 1, "one text");
    for (const { reason } of settled.filter((_, index) => isLeaving(index)))
      assert.equal(reason?.code, "cancelled");
    const { usage } = staying[0].value.at(-1);
    assert.equal(engine.stats().completionTokens - completionTokens, usage.completionTokens);
    await until(() => idle(engine));
    for (const again of await Promise.all(streams("ants").map(collected))) {
      assert.equal(again.at(-1).usage.cache, "response");
      assert.ok(texts.has(textOf(again)));
    }
  });
});

it("refuses sizes, times and folders that are none", async () => {
  for (const [options, field, value] of [
    [{ responseCacheBytes: -1 }, "responseCacheBytes", "-1"],
    [{ responseCacheBytes: "64 MiB" }, "responseCacheBytes", '"64 MiB"'],
    [{ responseCacheTtlMs: 0 }, "responseCacheTtlMs", "0"],
    [{ responseCacheTtlMs: -1 }, "responseCacheTtlMs", "-1"],
    [{ responseCacheTtlMs: NaN }, "responseCacheTtlMs", "NaN"],
    [{ responseCacheDir: "" }, "responseCacheDir", '""'],
    [{ responseCacheDir: "answers", responseCacheBytes: 0 }, "responseCacheDir", '"answers"'],
  ]) {
    await refused(Engine.load(MODEL, options), { code: "invalid_request", field, value });
  }
});

it("is off where it has no room, and keeps nothing that is larger than its room", async (t) => {
  for (const responseCacheBytes of [0, 1]) {
    const engine = await loaded(t, { ...SMALL, responseCacheBytes });
    for (let round = 0; round < 2; round++) {
      const { usage } = await engine.complete("One, two,", { maxTokens: 4 });
      assert.notEqual(usage.cache, "response");
    }
    await assert.rejects(engine.complete("One, two,", { maxTokens: 4, cache: "only_if_cached" }), {
      code: "not_cached",
    });
    const { entries, bytes, capacityBytes } = engine.caches().response;
    assert.deepEqual([entries, bytes, capacityBytes], [0, 0, responseCacheBytes]);
    assert.equal(await engine.invalidateResponses(), 0);
    if (responseCacheBytes > 0) continue;
    const { responseCacheQueries, responseCacheHitRate } = engine.stats();
    assert.deepEqual([responseCacheQueries, responseCacheHitRate], [0, 0]);
  }
});

it("keeps answers as long as the engine says", async (t) => {
  const engine = await loaded(t, { ...SMALL, responseCacheTtlMs: 1 });
  const ask = (options) => engine.complete("One, two, three,", { maxTokens: 4, ...options });
  await ask();
  const deadline = performance.now() + 60_000;
  while ((await ask()).usage.cache === "response")
    assert.ok(performance.now() < deadline, "it is kept");
  await ask({ cache: "refresh", cacheTtlMs: 3_600_000 });
  assert.equal((await ask()).usage.cache, "response", "the request's own time counts");
});

it("keeps answers in a folder, for one engine at a time", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "indwell-answers-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = { ...SMALL, responseCacheDir: join(folder, "answers") };
  const asked = { maxTokens: 8, logprobs: true };
  const first = await Engine.load(MODEL, options);
  const reply = await first.complete("Some rivers: Nile, Po,", asked);
  await assert.rejects(Engine.load(MODEL, options), ({ code, message, remedy }) => {
    assert.equal(code, "io");
    assert.ok(message.includes(options.responseCacheDir), message);
    assert.ok(remedy, "a remedy");
    return true;
  });
  await first.close();

  const second = await loaded(t, options);
  assert.equal(second.caches().response.entries, 1);
  const again = await second.complete("Some rivers: Nile, Po,", asked);
  assert.equal(again.usage.cache, "response");
  assert.equal(again.text, reply.text);
  assert.deepEqual(again.logprobs, reply.logprobs);
  assert.equal(await second.invalidateResponses(), 1);
  await second.close();
  const third = await loaded(t, options);
  assert.equal(third.caches().response.entries, 0, "what was forgotten does not come again");
});

it("ends with its engine", async () => {
  const engine = await Engine.load(MODEL, SMALL);
  await engine.complete("One", { maxTokens: 2 });
  await engine.close();
  for (const cache of ["use", "only_if_cached"]) {
    const asked = engine.complete("One", { maxTokens: 2, cache });
    await assert.rejects(asked, { code: "engine_closed" });
  }
  await assert.rejects(engine.invalidateResponses(), { code: "engine_closed" });
  assert.equal(engine.caches().response.misses, 1);
});
