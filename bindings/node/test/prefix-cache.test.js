/**
 * The prefix cache: what is found again, what is kept, and what becomes of it when signals abort,
 * memory is asked back and engines close.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { CachedPrefix, Engine } from "indwell";

import { COMPUTING, MODEL, collected, idle, loaded, refused, until } from "../testing/fixture.js";

const SMALL = { ...COMPUTING, contextTokens: 2048, sequencesMax: 4 };

/** Instructions of more than a hundred tokens, which begin with `topic`. */
function instructions(topic, rules = 8) {
  const rule = "Answer in one short sentence, and say so where you do not know. ";
  return {
    role: "system",
    content: `You know everything about ${topic}. ${rule.repeat(rules)}`,
  };
}

const about = (topic, content) => [instructions(topic), { role: "user", content }];

describe("the prefix cache", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 4096, batchTokens: 64 });
  });
  after(() => engine.close());

  async function usageOf(topic, content, options) {
    const { usage } = await engine.chat(about(topic, content), { maxTokens: 4, ...options });
    return usage;
  }

  /** Waits until nothing is kept that was not kept before. */
  const unpinned = () => until(() => engine.caches().pinnedTokens === 0);

  it("computes of a second request that begins alike only the rest", async () => {
    const before = engine.stats();
    const first = await usageOf("llamas", "What is a llama?");
    assert.ok(first.promptTokens > 100);
    assert.deepEqual([first.cachedTokens, first.cache], [0, null]);
    const second = await usageOf("llamas", "Where do they live?");
    assert.equal(second.cache, "resident");
    assert.ok(second.cachedTokens > 100 && second.cachedTokens < second.promptTokens);
    const events = await collected(
      engine.chat(about("llamas", "What do they eat?"), { maxTokens: 4, stream: true }),
    );
    const third = events.at(-1).usage;
    assert.equal(third.cache, "resident");
    assert.ok(third.cachedTokens > 100);
    const after = engine.stats();
    const queries = first.promptTokens + second.promptTokens + third.promptTokens;
    const hits = second.cachedTokens + third.cachedTokens;
    assert.equal(after.prefixCacheQueries - before.prefixCacheQueries, queries);
    assert.equal(after.prefixCacheHits - before.prefixCacheHits, hits);
    assert.equal(after.prefixCacheHitRate, after.prefixCacheHits / after.prefixCacheQueries);
    assert.equal(after.promptTokens - before.promptTokens, queries - hits, "the rest was computed");
    const { resident, disk } = engine.caches();
    assert.ok(resident.hits >= 2 && resident.hitTokens >= hits && resident.entries > 0);
    assert.ok(resident.bytes > 0 && resident.bytes <= resident.capacityBytes);
    assert.equal(disk.capacityBytes, 0, "a tier that is off");
  });

  it("is left alone by requests that bypass it, and apart for those with a salt", async () => {
    const cached = async (options) =>
      (await usageOf("camels", "What is a camel?", options)).cachedTokens;
    const bypass = { cache: "bypass" };
    assert.equal(await cached(bypass), 0);
    // At most the few words that all chats of this test begin with.
    assert.ok((await cached({ cache: "use" })) < 16, "the other left nothing");
    assert.ok((await cached()) > 100);
    assert.equal(await cached(bypass), 0);
    assert.equal(await cached({ cacheSalt: "one" }), 0);
    assert.equal(await cached({ cacheSalt: "two" }), 0);
    assert.ok((await cached({ cacheSalt: "one" })) > 100);
  });

  it("keeps a prefix until it is unpinned, for chats that begin with it", async () => {
    const { signal } = new AbortController();
    const prefix = await engine.cachePrefix([instructions("goats")], { timeoutMs: 60_000, signal });
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.ok(prefix instanceof CachedPrefix);
    assert.ok(prefix.tokens > 100);
    await until(() => engine.caches().pinnedTokens === prefix.tokens);
    const usage = await usageOf("goats", "What is a goat?");
    assert.ok(usage.cachedTokens >= prefix.tokens);
    prefix.unpin();
    prefix.unpin();
    await unpinned();
    assert.ok(prefix.tokens > 100, "it still knows its length");
    const salted = await engine.cachePrefix([instructions("goats")], { cacheSalt: "its own" });
    const { cachedTokens } = await usageOf("goats", "Who?", { cacheSalt: "its own" });
    assert.ok(cachedTokens >= salted.tokens);
    salted.unpin();
    await unpinned();
  });

  it("lets go of a prefix at the end of its scope", async (t) => {
    if (Symbol.dispose === undefined) return t.skip("this Node has no Symbol.dispose");
    const prefix = await engine.cachePrefix([instructions("geese")]);
    await until(() => engine.caches().pinnedTokens === prefix.tokens);
    prefix[Symbol.dispose]();
    await unpinned();
  });

  it("keeps the same prefix as often as it is asked to", async () => {
    const [one, two] = await Promise.all([
      engine.cachePrefix([instructions("sheep")]),
      engine.cachePrefix([instructions("sheep")]),
    ]);
    one.unpin();
    // A request that comes after the news: the engine has heard by then.
    await usageOf("sheep", "What is a sheep?");
    assert.equal(engine.caches().pinnedTokens, two.tokens, "the other keeps it");
    two.unpin();
    await unpinned();
  });

  it("keeps nothing for a signal that is aborted already, and asks for nothing", async () => {
    const before = engine.stats();
    const signal = AbortSignal.abort("no");
    await assert.rejects(engine.cachePrefix([instructions("elk")], { signal }), {
      name: "AbortError",
      code: "cancelled",
      cause: "no",
    });
    await usageOf("elk", "What is an elk?");
    const after = engine.stats();
    assert.equal(after.requestsFinished, before.requestsFinished + 1);
    assert.equal(after.requestsCancelled, before.requestsCancelled);
  });

  it("gives a prefix up in the middle, within one step of the abort", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const before = engine.stats();
    const pending = engine.cachePrefix([instructions("deer", 100)], { signal });
    const rejected = assert.rejects(pending, {
      name: "AbortError",
      code: "cancelled",
      cause: "enough",
    });
    await until(() => engine.stats().promptTokens > before.promptTokens);
    assert.equal(getEventListeners(signal, "abort").length, 1);
    controller.abort("enough");
    const { steps } = engine.stats();
    await rejected;
    await until(() => idle(engine));
    const after = engine.stats();
    assert.equal(after.requestsCancelled, before.requestsCancelled + 1);
    assert.ok(after.promptTokens - before.promptTokens < 1000, "not computed to its end");
    assert.ok(after.steps - steps <= 1, `${after.steps - steps} steps`);
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.equal(engine.caches().pinnedTokens, 0);
    console.log(`# abort of a prefix: free after ${after.steps - steps} steps`);
  });

  it("refuses a prefix as it refuses a request", async () => {
    for (const [messages, options, expected] of [
      [[], {}, { code: "invalid_request", field: "messages" }],
      [undefined, {}, { code: "invalid_request", field: "messages", value: "undefined" }],
      [[{ role: "user" }], {}, { code: "invalid_request", field: "messages[0].content" }],
      ["half a pair: \ud83d", {}, { code: "invalid_request", field: "messages" }],
      ["x", "fast", { code: "invalid_request", field: "options", value: '"fast"' }],
      ["x", { cacheSalt: "" }, { code: "invalid_request", field: "cacheSalt", value: '""' }],
      ["x", { cacheSalt: 5 }, { code: "invalid_request", field: "cacheSalt", value: "5" }],
      ["x", { maxTokens: 4 }, { code: "invalid_request", field: "maxTokens", value: "4" }],
      ["x", { stream: true }, { code: "invalid_request", field: "stream", value: "true" }],
      ["x", { cache: "use" }, { code: "invalid_request", field: "cache", value: '"use"' }],
      ["x", { timeoutMs: 0 }, { code: "invalid_request", field: "timeoutMs", value: "0" }],
      ["x", { signal: {} }, { code: "invalid_request", field: "signal", value: "an object" }],
      ["word ".repeat(5000), {}, { code: "context_overflow" }],
    ]) {
      await refused(engine.cachePrefix(messages, options), expected);
    }
    await assert.rejects(engine.cachePrefix("x", { cache_salt: "a" }), {
      code: "invalid_request",
      field: "cache_salt",
      remedy: "write cacheSalt",
    });
    await assert.rejects(engine.cachePrefix([instructions("snails")], { timeoutMs: 1e-6 }), {
      code: "deadline_exceeded",
    });
    async function caller() {
      return engine.cachePrefix([]);
    }
    await assert.rejects(caller(), ({ stack }) =>
      /caller.*prefix-cache\.test\.js/.test(stack.split("\n")[1]),
    );
    assert.equal(engine.caches().pinnedTokens, 0);
    await usageOf("llamas", "Still there?");
  });

  it("refuses to give back what is no number of bytes", async () => {
    for (const [bytes, value] of [
      [undefined, "undefined"],
      [-1, "-1"],
      [-1n, "-1n"],
      [0.5, "0.5"],
      [NaN, "NaN"],
      ["1 GiB", '"1 GiB"'],
    ]) {
      await refused(engine.trim(bytes), { code: "invalid_request", field: "bytes", value });
    }
  });

  it("is made by engines alone", () => {
    assert.throws(() => new CachedPrefix(), TypeError);
  });
});

/** Lists that a model goes on with and has no doubts about: arithmetic differs a little by batch. */
const LISTS = [" red, green, blue,", " river, lake, sea,", " violin, piano, flute,"];

/** Asks about every list, one after another. */
async function askAll(engine) {
  const replies = [];
  for (const list of LISTS) replies.push(await engine.complete(list.repeat(24), { maxTokens: 6 }));
  return replies;
}

/** Asserts that the second answers are the first ones, and that some of them came from `tier`. */
function assertFound(second, first, tier) {
  assert.deepEqual(
    second.map(({ text }) => text),
    first.map(({ text }) => text),
  );
  const found = second.filter(({ usage }) => usage.cache === tier && usage.cachedTokens > 100);
  const shown = second.map(({ usage }) => `${usage.cachedTokens} from ${usage.cache}`);
  assert.ok(found.length > 0, shown.join(", "));
}

/**
 * Asserts that what was given back does not come again. What was not saved by then may be saved
 * once, between requests.
 */
async function assertGivenBackForGood(engine) {
  const { resident } = engine.caches();
  for (let round = 0; round <= resident.entries; round++) {
    await engine.trim(Infinity);
    await engine.complete("A step", { maxTokens: 1, cache: "bypass" });
  }
  const { entries, bytes } = engine.caches().host;
  assert.deepEqual([entries, bytes], [0, 0]);
}

// What two of the lists need is more than may lie idle in the context.
const CROWDED = { ...SMALL, prefixCacheTokens: 200, hostCacheBytes: 2 ** 28 };

it("finds in the host's memory what left the context's, and gives it back when asked to", async (t) => {
  const engine = await loaded(t, CROWDED);
  const first = await askAll(engine);
  await until(() => engine.caches().host.entries > 0);
  assertFound(await askAll(engine), first, "host");
  const { host } = engine.caches();
  assert.ok(host.bytes > 0 && host.bytes <= host.capacityBytes);
  assert.ok(host.hits >= 1 && host.hitTokens > 100);
  assert.equal(await engine.trim(0), 0);
  const [some, rest] = [await engine.trim(1n), await engine.trim(Infinity)];
  assert.ok(some >= 1, `${some} bytes`);
  assert.ok(some + rest >= host.bytes, `${some} and ${rest} of ${host.bytes} bytes`);
  await until(() => idle(engine));
  await assertGivenBackForGood(engine);
  const third = await askAll(engine);
  assert.deepEqual(
    third.map(({ text }) => text),
    first.map(({ text }) => text),
  );
});

it("finds in files what an engine before it computed", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "indwell-prefixes-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = { ...CROWDED, diskCacheDir: folder, diskCacheBytes: 2 ** 28 };
  const before = await Engine.load(MODEL, options);
  const first = await askAll(before);
  await until(() => before.caches().disk.entries > 0);
  await before.close();
  const engine = await loaded(t, options);
  assertFound(await askAll(engine), first, "disk");
  const { disk } = engine.caches();
  assert.ok(disk.bytes > 0 && disk.bytes <= disk.capacityBytes);
  assert.ok(disk.hits >= 1);
});

it("is off where it is loaded without", async (t) => {
  const engine = await loaded(t, { ...SMALL, prefixCacheTokens: 0 });
  for (let round = 0; round < 2; round++) {
    const { usage } = await engine.chat(about("llamas", "What is a llama?"), { maxTokens: 4 });
    assert.deepEqual([usage.cachedTokens, usage.cache], [0, null]);
  }
  const { prefixCacheQueries, prefixCacheHitRate } = engine.stats();
  assert.deepEqual([prefixCacheQueries, prefixCacheHitRate], [0, 0]);
  assert.equal(engine.caches().resident.entries, 0);
  await assert.rejects(engine.cachePrefix("Hello"), ({ code, remedy }) => {
    assert.equal(code, "unsupported");
    assert.match(remedy, /prefixCacheTokens/);
    return true;
  });
});

it("ends with its engine, and handles do no harm", async () => {
  const engine = await Engine.load(MODEL, SMALL);
  const prefix = await engine.cachePrefix([instructions("cats")]);
  const pending = engine.cachePrefix([instructions("dogs", 90)]);
  const rejected = assert.rejects(pending, { code: "engine_closed" });
  await engine.close();
  await rejected;
  await assert.rejects(engine.cachePrefix("Hello"), {
    code: "engine_closed",
    name: "IndwellError",
  });
  await assert.rejects(engine.trim(1), { code: "engine_closed" });
  assert.equal(engine.caches().pinnedTokens, 0);
  assert.ok(prefix.tokens > 100);
  prefix.unpin();
});

it("keeps its engine open while a prefix is waited for, even if nothing else refers to it", async () => {
  const prefix = await (await Engine.load(MODEL, SMALL)).cachePrefix([instructions("mice")]);
  assert.ok(prefix.tokens > 100);
  prefix.unpin();
});
