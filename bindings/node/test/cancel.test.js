/**
 * Cancelling, in every way that JavaScript has: the request ends, its sequence is free within one
 * step, and the engine goes on.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, before, describe, it } from "node:test";

import { Engine, IndwellError } from "indwell";

import { COMPUTING, MODEL, collected, idle, until } from "../testing/fixture.js";

const LONG = { maxTokens: 2000, temperature: 1, seed: 1 };

describe("cancelling", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 4096, batchTokens: 64 });
  });
  after(() => engine.close());

  /** Cancels, and counts the steps that the engine makes until the sequence is free. */
  async function stepsToFree(cancel) {
    const before = engine.stats();
    cancel();
    const { steps } = engine.stats();
    await until(() => idle(engine));
    const after = engine.stats();
    assert.equal(after.requestsCancelled - before.requestsCancelled, 1);
    return after.steps - steps;
  }

  function assertAborted(error, reason) {
    assert.ok(error instanceof IndwellError, error?.stack);
    assert.equal(error.name, "AbortError");
    assert.equal(error.code, "cancelled");
    assert.equal(error.cause, reason);
    return true;
  }

  it("makes no request when the signal is aborted already", async () => {
    const before = engine.stats();
    const signal = AbortSignal.abort("no");
    await assert.rejects(engine.chat("Hello", { signal }), (error) => assertAborted(error, "no"));
    const stream = engine.chat("Hello", { signal, stream: true });
    await assert.rejects(stream.next(), (error) => assertAborted(error, "no"));
    assert.deepEqual(await stream.next(), { value: undefined, done: true });
    await engine.complete("One", { maxTokens: 1 });
    const after = engine.stats();
    assert.equal(after.requestsCancelled, before.requestsCancelled);
    assert.equal(after.requestsFinished, before.requestsFinished + 1);
  });

  it("frees the sequence within one step of an abort while decoding", async () => {
    for (const stream of [false, true]) {
      const controller = new AbortController();
      const { signal } = controller;
      const { completionTokens } = engine.stats();
      const request = engine.complete("Once upon a time", { ...LONG, signal, stream });
      const outcome = stream ? collected(request) : request;
      const rejected = assert.rejects(outcome, (error) => assertAborted(error, signal.reason));
      await until(() => engine.stats().completionTokens >= completionTokens + 4);
      assert.equal(getEventListeners(signal, "abort").length, 1);
      const steps = await stepsToFree(() => controller.abort(new Error("enough")));
      await rejected;
      assert.ok(steps <= 1, `${steps} steps`);
      assert.equal(getEventListeners(signal, "abort").length, 0);
      console.log(
        `# abort while decoding (${stream ? "stream" : "reply"}): free after ${steps} steps`,
      );
    }
  });

  it("frees the sequence within one step of an abort in the middle of the prompt", async () => {
    const prompt = "All work and no play makes a long prompt. ".repeat(200);
    for (const stream of [false, true]) {
      const controller = new AbortController();
      const { signal } = controller;
      const { promptTokens, completionTokens } = engine.stats();
      const request = engine.complete(prompt, { ...LONG, signal, stream });
      const outcome = stream ? collected(request) : request;
      const rejected = assert.rejects(outcome, (error) => assertAborted(error, signal.reason));
      await until(() => engine.stats().promptTokens > promptTokens);
      const steps = await stepsToFree(() => controller.abort());
      await rejected;
      const stats = engine.stats();
      assert.ok(stats.promptTokens - promptTokens < 1000, "the prompt was not computed to its end");
      assert.equal(stats.completionTokens, completionTokens);
      assert.ok(steps <= 1, `${steps} steps`);
      console.log(
        `# abort while prefilling (${stream ? "stream" : "reply"}): free after ${steps} steps`,
      );
    }
  });

  it("rejects at once, whatever the engine is at", async () => {
    const controller = new AbortController();
    const reply = engine.complete("Once", { ...LONG, signal: controller.signal });
    controller.abort();
    await assert.rejects(reply, (error) => assertAborted(error, controller.signal.reason));
    await until(() => idle(engine));
  });

  it("cancels the request of a loop that is left by break, return or throw", async () => {
    const leave = {
      async break(stream) {
        for await (const event of stream) if (event.type === "text") break;
      },
      async return(stream) {
        for await (const event of stream) return event;
      },
      async throw(stream) {
        const thrown = new Error("mine");
        await assert.rejects(async () => {
          for await (const _ of stream) throw thrown;
        }, thrown);
      },
      async dispose(stream) {
        await stream.next();
        if (Symbol.asyncDispose !== undefined) await stream[Symbol.asyncDispose]();
        else await stream.return();
      },
    };
    for (const [how, left] of Object.entries(leave)) {
      const { requestsCancelled } = engine.stats();
      const controller = new AbortController();
      const stream = engine.complete("Once upon a time", {
        ...LONG,
        stream: true,
        signal: controller.signal,
      });
      await left(stream);
      assert.deepEqual(await stream.next(), { value: undefined, done: true }, how);
      assert.equal(getEventListeners(controller.signal, "abort").length, 0, how);
      await until(() => idle(engine));
      assert.equal(engine.stats().requestsCancelled, requestsCancelled + 1, how);
    }
  });

  it("ends a stream that is cancelled with one rejection, then silence", async () => {
    const stream = engine.complete("Once upon a time", { ...LONG, stream: true });
    await stream.next();
    const steps = await stepsToFree(() => stream.cancel());
    assert.ok(steps <= 1, `${steps} steps`);
    await assert.rejects(collected(stream), { code: "cancelled", name: "AbortError" });
    assert.deepEqual(await stream.next(), { value: undefined, done: true });
    stream.cancel();
  });

  it("resumes who waits when the stream is left from elsewhere", async () => {
    const prompt = "All work and no play makes a long prompt. ".repeat(100);
    const stream = engine.complete(prompt, { ...LONG, stream: true });
    const waiting = [stream.next(), stream.next()];
    await stream.return();
    for (const result of await Promise.all(waiting))
      assert.deepEqual(result, { value: undefined, done: true });
    await until(() => idle(engine));
  });

  it("aborts many requests by one signal, to which it listens once", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const requests = Array.from({ length: 12 }, (_, index) => {
      const request = engine.complete("Once upon a time", {
        ...LONG,
        signal,
        stream: index % 2 === 0,
      });
      return index % 2 === 0 ? collected(request) : request;
    });
    const rejected = requests.map((request) =>
      assert.rejects(request, (error) => assertAborted(error, signal.reason)),
    );
    assert.equal(getEventListeners(signal, "abort").length, 1);
    controller.abort();
    await Promise.all(rejected);
    assert.equal(getEventListeners(signal, "abort").length, 0);
    await until(() => idle(engine));
  });

  it("leaves a finished request as it is", async () => {
    const controller = new AbortController();
    const reply = await engine.complete("One", { maxTokens: 2, signal: controller.signal });
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
    controller.abort();
    assert.equal(reply.usage.completionTokens, 2);
    const stream = engine.complete("One", { maxTokens: 2, stream: true });
    assert.equal((await collected(stream)).at(-1).type, "finished");
    stream.cancel();
    assert.deepEqual(await stream.return(), { value: undefined, done: true });
  });

  it("ends a request at its deadline", async () => {
    await assert.rejects(engine.complete("Once", { ...LONG, timeoutMs: 100 }), {
      code: "deadline_exceeded",
    });
    await assert.rejects(
      collected(engine.complete("Once", { ...LONG, timeoutMs: 100, stream: true })),
      { code: "deadline_exceeded" },
    );
    await until(() => idle(engine));
  });

  it("gives up loading", async () => {
    await assert.rejects(Engine.load(MODEL, { signal: AbortSignal.abort() }), {
      name: "AbortError",
    });
    const controller = new AbortController();
    const load = Engine.load(MODEL, { signal: controller.signal });
    controller.abort("changed my mind");
    await assert.rejects(load, (error) => assertAborted(error, "changed my mind"));
  });
});
