/**
 * Asking: chats and completions, whole and streamed, one and many at once.
 */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";

import * as indwell from "indwell";

import { COMPUTING, MODEL, collected, idle, textOf, until } from "../testing/fixture.js";

const { Engine, TokenStream, devices, version } = indwell;

describe("asking", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 8192 });
  });
  after(() => engine.close());

  it("answers a chat with text, usage and timings", async () => {
    const reply = await engine.chat("Say hello.", { maxTokens: 16 });
    assert.ok(reply.text.length > 0);
    assert.ok(["stop", "length"].includes(reply.finishReason));
    assert.ok(reply.usage.promptTokens > 0);
    assert.ok(reply.usage.completionTokens > 0 && reply.usage.completionTokens <= 16);
    assert.equal(reply.usage.totalTokens, reply.usage.promptTokens + reply.usage.completionTokens);
    assert.ok(reply.timings.ttftMs > 0 && reply.timings.totalMs >= reply.timings.ttftMs);
    assert.ok(reply.decodeTokensPerSecond >= 0);
    assert.deepEqual(reply.logprobs, []);
  });

  it("takes messages, and a text is one message of the user", async () => {
    const [text, messages, system] = await Promise.all([
      engine.chat("Name a colour.", { maxTokens: 8 }),
      engine.chat([{ role: "user", content: "Name a colour." }], { maxTokens: 8 }),
      engine.chat(
        [
          { role: "system", content: "Answer in French." },
          { role: "user", content: "Name a colour." },
        ],
        { maxTokens: 8 },
      ),
    ]);
    assert.equal(text.usage.promptTokens, messages.usage.promptTokens);
    assert.notEqual(system.usage.promptTokens, messages.usage.promptTokens);
  });

  it("streams the same answer in events that end with finished", async () => {
    const whole = await engine.chat("Count to five.", { maxTokens: 24, logprobs: true });
    const stream = engine.chat("Count to five.", { maxTokens: 24, logprobs: true, stream: true });
    assert.ok(stream instanceof TokenStream);
    const events = await collected(stream);
    const last = events.at(-1);
    assert.equal(last?.type, "finished");
    assert.ok(events.slice(0, -1).every((event) => event.type === "text"));
    assert.equal(textOf(events), whole.text);
    assert.equal(last.reason, whole.finishReason);
    // The second time the prompt is cached.
    const { promptTokens, completionTokens, totalTokens } = whole.usage;
    assert.deepEqual(
      { ...last.usage, cachedTokens: 0, cache: null },
      {
        promptTokens,
        completionTokens,
        totalTokens,
        cachedTokens: 0,
        cache: null,
        semanticDistance: null,
      },
    );
    const logprobs = events.flatMap((event) => event.logprobs ?? []);
    assert.deepEqual(
      logprobs.map(({ token }) => token),
      whole.logprobs.map(({ token }) => token),
    );
    assert.ok(logprobs.every(({ logprob }) => logprob <= 0));
    assert.deepEqual(await stream.next(), { value: undefined, done: true });
  });

  it("completes a prompt, whole and streamed", async () => {
    const prompt = "The capital of France is";
    const reply = await engine.complete(prompt, { maxTokens: 8 });
    assert.equal(reply.usage.completionTokens, 8);
    assert.equal(reply.finishReason, "length");
    const events = await collected(engine.complete(prompt, { maxTokens: 8, stream: true }));
    assert.equal(textOf(events), reply.text);
    // Control tokens are text unless the caller says otherwise.
    const [text, special] = await Promise.all([
      engine.complete("<|im_start|>", { maxTokens: 1 }),
      engine.complete("<|im_start|>", { maxTokens: 1, parseSpecial: true }),
    ]);
    assert.ok(text.usage.promptTokens > special.usage.promptTokens);
  });

  it("honours options of every type", async () => {
    const sampled = { temperature: 0.8, topK: 20, topP: 0.9, minP: 0.05, seed: 7, maxTokens: 12 };
    const prompt = "Once upon a time";
    const [first, second, big] = await Promise.all([
      engine.complete(prompt, sampled),
      engine.complete(prompt, {
        ...sampled,
        topK: 20n,
        seed: 7n,
        stop: null,
        timeoutMs: undefined,
      }),
      engine.complete(prompt, { ...sampled, stop: ["\n\n"], timeoutMs: 60_000.5, logprobs: false }),
    ]);
    assert.ok(first.text.length > 0 && second.text.length > 0 && big.text.length > 0);
    const stopped = await engine.complete("1, 2, 3, 4, 5, 6, 7,", { stop: "9", maxTokens: 32 });
    assert.equal(stopped.finishReason, "stop");
    assert.doesNotMatch(stopped.text, /9/);
  });

  it("serves 16 at once, in far fewer steps than tokens", async () => {
    const before = engine.stats();
    const replies = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        engine.complete(`Number ${index} is`, { maxTokens: 32 }),
      ),
    );
    const after = engine.stats();
    const tokens = replies.reduce((sum, reply) => sum + reply.usage.completionTokens, 0);
    const steps = after.steps - before.steps;
    assert.equal(after.requestsFinished - before.requestsFinished, 16);
    assert.ok(steps < tokens / 4, `${steps} steps for ${tokens} tokens`);
    await until(() => idle(engine));
  });

  it("answers concurrent next() calls in order", async () => {
    const stream = engine.complete("One two three", { maxTokens: 6, stream: true });
    const results = await Promise.all(Array.from({ length: 40 }, () => stream.next()));
    const events = results.filter(({ done }) => !done).map(({ value }) => value);
    const reply = await engine.complete("One two three", { maxTokens: 6 });
    assert.equal(textOf(events), reply.text);
    assert.equal(events.at(-1).type, "finished");
    assert.ok(results.at(-1).done);
  });

  it("tells what the model is", () => {
    assert.ok(engine.model.parameters > 0);
    assert.ok(engine.model.sizeBytes > 0);
    assert.ok(engine.model.vocabularySize > 0);
    assert.ok(engine.model.path.length > 0);
    assert.ok(Object.isFrozen(engine.model));
    assert.equal(engine.model, engine.model);
  });
});

it("lists devices, the processor among them", async () => {
  const found = await devices();
  assert.ok(found.some(({ kind }) => kind === "cpu"));
  assert.ok(
    found.every(
      ({ name, description }) => typeof name === "string" && typeof description === "string",
    ),
  );
});

it("tells how loading goes", async () => {
  const heard = [];
  const engine = await Engine.load(MODEL, {
    contextTokens: 512,
    sequencesMax: 1,
    onProgress: (progress) => heard.push(progress),
  });
  await engine.close();
  assert.ok(heard.length > 0);
  assert.ok(
    heard.every(({ stage, done }) => ["fetch", "verify", "load"].includes(stage) && done >= 0),
  );
});

it("is the same module by import and by require", () => {
  const required = createRequire(import.meta.url)("indwell");
  assert.deepEqual(Object.keys(required).sort(), Object.keys(indwell).sort());
  for (const name of Object.keys(required)) assert.equal(required[name], indwell[name]);
  assert.match(version, /^\d+\.\d+\.\d+/);
});
