/**
 * OpenAI's client for Node, as it is, with an engine's `fetch` below it: no network.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Engine } from "indwell";

import { SKIP } from "../../testing/clients.js";
import { COMPUTING, MODEL, idle, until } from "../../testing/fixture.js";

describe("OpenAI's client in process", { skip: SKIP }, async () => {
  if (SKIP) return;
  const { default: OpenAI } = await import("openai");
  const { openaiTests } = await import("../../testing/openai.js");

  /** @type {import("indwell").Engine} */
  let engine;
  let client;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 4096 });
    client = new OpenAI({ fetch: engine.fetch, apiKey: "-" });
  });
  after(() => engine.close());

  openaiTests({ client: () => client, idle: () => until(() => idle(engine)) });

  it("serves many at once", async () => {
    const before = engine.stats();
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        client.completions.create({
          model: engine.model.name,
          prompt: `Number ${index} is`,
          max_tokens: 16,
        }),
      ),
    );
    const tokens = replies.reduce((sum, { usage }) => sum + usage.completion_tokens, 0);
    const steps = engine.stats().steps - before.steps;
    assert.ok(steps < tokens / 2, `${steps} steps for ${tokens} tokens`);
  });

  it("is told that the engine is busy, and asks again", async (t) => {
    const small = await Engine.load(MODEL, {
      ...COMPUTING,
      contextTokens: 1024,
      sequencesMax: 1,
      queueRequestsMax: 1,
    });
    t.after(() => small.close());
    const busy = new OpenAI({ fetch: small.fetch, apiKey: "-", maxRetries: 0 });
    const ask = (client, prompt) =>
      client.completions.create({ model: small.model.name, prompt, max_tokens: 24 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, (_, index) => ask(busy, `Number ${index} is`)),
    );
    const refused = outcomes.filter(({ status }) => status === "rejected");
    assert.ok(refused.length > 0);
    for (const { reason } of refused) {
      assert.ok(reason instanceof OpenAI.RateLimitError, reason.stack);
      assert.ok(Number(reason.headers.get("retry-after-ms")) > 0);
    }
    const patient = new OpenAI({ fetch: small.fetch, apiKey: "-", maxRetries: 20 });
    const served = await Promise.all(
      Array.from({ length: 6 }, (_, index) => ask(patient, `Number ${index} is`)),
    );
    // At temperature 1 an answer may end early.
    assert.ok(served.every(({ usage }) => usage.completion_tokens > 0));
  });

  it("hears that the engine is closed", async () => {
    const closed = await Engine.load(MODEL, { contextTokens: 512, sequencesMax: 1 });
    const left = new OpenAI({ fetch: closed.fetch, apiKey: "-" });
    await closed.close();
    await assert.rejects(left.models.list(), OpenAI.InternalServerError);
  });
});
