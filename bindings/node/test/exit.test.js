/**
 * How processes and workers end: on their own when nobody waits, cleanly whatever is open.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";

import { loaded } from "../testing/fixture.js";
import { CLEAN, run, worker } from "../testing/program.js";

it("ends by itself with an engine open, and with a stream that nobody waits for", async () => {
  assert.deepEqual(await run(`await Engine.load(MODEL, SMALL); console.log("end");`), {
    ...CLEAN,
    out: "end\n",
  });
  const open = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    globalThis.open = [engine.complete("Once", STREAM), engine.complete("Twice", STREAM)];
    await open[0].next();
    console.log("end");
  `);
  assert.deepEqual(open, { ...CLEAN, out: "end\n" });
});

it("lives as long as somebody waits", async () => {
  const ended = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    engine.complete("Once", { maxTokens: 20 }).then((reply) => console.log(reply.usage.completionTokens));
  `);
  assert.deepEqual(ended, { ...CLEAN, out: "20\n" });
});

it("exits cleanly with streams and replies in flight", async () => {
  const exited = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    const streams = [1, 2, 3, 4, 5, 6].map((index) => engine.complete("Story " + index, STREAM));
    for (let index = 0; index < 3; index++) engine.complete("Once", LONG).catch(() => {});
    await Promise.all(streams.slice(0, 4).map((stream) => stream.next()));
    streams[0].next();
    process.exit(0);
  `);
  assert.deepEqual(exited, { ...CLEAN, out: "" });
});

it("exits cleanly in the middle of a prompt, of loading and of closing", async () => {
  const prompt = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    engine.complete("word ".repeat(1500), LONG).catch(() => {});
    while (engine.stats().requestsRunning === 0) await new Promise(setImmediate);
    process.exit(0);
  `);
  assert.deepEqual(prompt, { ...CLEAN, out: "" });
  const loading = await run(`
    Engine.load(MODEL, { ...SMALL, onProgress: () => process.exit(0) });
  `);
  assert.deepEqual(loading, { ...CLEAN, out: "" });
  const closing = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    await engine.complete("Once", STREAM).next();
    engine.close();
    process.exit(0);
  `);
  assert.deepEqual(closing, { ...CLEAN, out: "" });
});

it("ends by an uncaught exception as any program does", async () => {
  const thrown = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    await engine.complete("Once", STREAM).next();
    setTimeout(() => { throw new Error("mine"); });
    await new Promise(() => {});
  `);
  assert.equal(thrown.exitCode, 1);
  assert.equal(thrown.signal, null);
  assert.match(thrown.err, /Error: mine/);
});

it("hears what a progress listener throws, and loads all the same", async () => {
  const thrown = await run(`
    process.on("uncaughtException", (error) => console.log("heard", error.message));
    const engine = await Engine.load(MODEL, { ...SMALL, onProgress: () => { throw new Error("mine"); } });
    console.log(engine.closed);
  `);
  assert.match(thrown.out, /^(heard mine\n)+false\n$/);
  assert.equal(thrown.exitCode, 0);
});

it("cancels the request of a stream that is dropped unread", async () => {
  const dropped = await run(
    `
    const engine = await Engine.load(MODEL, SMALL);
    const { signal } = new AbortController();
    await (async () => {
      const stream = engine.complete("Once", { ...STREAM, signal });
      await stream.next();
    })();
    let looks = 0;
    while (engine.stats().requestsRunning > 0) {
      if (++looks > 1000) throw new Error("still running");
      await new Promise(setImmediate);
      gc();
    }
    const { getEventListeners } = require("node:events");
    while (getEventListeners(signal, "abort").length > 0) {
      if (++looks > 2000) throw new Error("still listening");
      await new Promise(setImmediate);
      gc();
    }
    const { requestsCancelled, cellsUsed } = engine.stats();
    console.log(requestsCancelled, cellsUsed - engine.caches().resident.tokens);
  `,
    ["--expose-gc"],
  );
  assert.deepEqual(dropped, { ...CLEAN, out: "1 0\n" });
});

it("unpins a prefix that is dropped, and one that nobody waits for any more", async () => {
  const dropped = await run(
    `
    const engine = await Engine.load(MODEL, SMALL);
    await (async () => {
      const prefix = await engine.cachePrefix("word ".repeat(100));
      console.log(prefix.tokens > 100);
    })();
    const unpinned = async (look) => {
      for (let looks = 0; engine.caches().pinnedTokens > 0; looks++) {
        if (looks > 1000) throw new Error("still pinned");
        await new Promise(setImmediate);
        look?.();
      }
    };
    await unpinned(gc);
    const controller = new AbortController();
    const pending = engine.cachePrefix("other ".repeat(100), { signal: controller.signal });
    // Without giving it a chance to be taken.
    while (engine.stats().requestsFinished < 2);
    controller.abort();
    console.log(await pending.catch(({ code }) => code));
    await unpinned();
  `,
    ["--expose-gc"],
  );
  assert.deepEqual(dropped, { ...CLEAN, out: "true\ncancelled\n" });
});

it("exits cleanly with prefixes kept, being computed, and caches being trimmed", async () => {
  const exited = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    globalThis.kept = await engine.cachePrefix("word ".repeat(100));
    engine.cachePrefix("other ".repeat(1500)).catch(() => {});
    engine.trim(Infinity).catch(() => {});
    process.exit(0);
  `);
  assert.deepEqual(exited, { ...CLEAN, out: "" });
  const ended = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    globalThis.kept = await engine.cachePrefix("word ".repeat(100));
    engine.trim(0).then((bytes) => console.log(typeof bytes));
  `);
  assert.deepEqual(ended, { ...CLEAN, out: "number\n" });
});

it("closes an engine that is dropped, off the event loop", async () => {
  const dropped = await run(
    `
    let collected = 0;
    const registry = new FinalizationRegistry(() => collected++);
    await (async () => {
      for (let index = 0; index < 3; index++) {
        const engine = await Engine.load(MODEL, SMALL);
        await engine.complete("Once", { maxTokens: 2 });
        registry.register(engine);
      }
    })();
    for (let looks = 0; collected < 3; looks++) {
      if (looks > 1000) throw new Error("still there");
      await new Promise(setImmediate);
      gc();
    }
    console.log("dropped");
  `,
    ["--expose-gc"],
  );
  assert.deepEqual(dropped, { ...CLEAN, out: "dropped\n" });
});

it("serves workers, each with engines of its own", async (t) => {
  const engine = await loaded(t, { contextTokens: 1024 });
  const workers = [1, 2].map(() =>
    worker(`
      const engine = await Engine.load(MODEL, SMALL);
      const reply = await engine.complete("Once", { maxTokens: 8 });
      parentPort.postMessage(reply.usage.completionTokens);
    `),
  );
  const replies = workers.map((each) => once(each, "message"));
  const exits = workers.map((each) => once(each, "exit"));
  const [own, ...theirs] = await Promise.all([
    engine.complete("Once", { maxTokens: 8 }),
    ...replies,
  ]);
  assert.equal(own.usage.completionTokens, 8);
  assert.deepEqual(theirs, [[8], [8]]);
  assert.deepEqual(await Promise.all(exits), [[0], [0]]);
});

it("survives the termination of workers with streams open, and while they load", async (t) => {
  const engine = await loaded(t, { contextTokens: 1024 });
  for (const program of [
    `
      const engine = await Engine.load(MODEL, SMALL);
      const streams = [1, 2, 3].map((index) => engine.complete("Story " + index, STREAM));
      engine.complete("Once", LONG);
      await streams[0].next();
      parentPort.postMessage("ready");
      for await (const _ of streams[1]);
    `,
    `
      const engine = await Engine.load(MODEL, SMALL);
      globalThis.kept = await engine.cachePrefix("word ".repeat(100));
      engine.cachePrefix("other ".repeat(1500));
      engine.trim(Infinity);
      parentPort.postMessage("ready");
    `,
    `
      Engine.load(MODEL, SMALL);
      parentPort.postMessage("ready");
    `,
    `
      const engine = await Engine.load(MODEL, SMALL);
      engine.complete("word ".repeat(1500), LONG);
      parentPort.postMessage("ready");
      for (;;);
    `,
  ]) {
    const each = worker(program);
    await once(each, "message");
    assert.equal(await each.terminate(), 1);
    assert.equal((await engine.complete("Once", { maxTokens: 4 })).usage.completionTokens, 4);
  }
});
