/**
 * Answers in a form that is asked for, and how options that hold objects cross.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Engine } from "indwell";

import { REPORT } from "../testing/clients.js";
import { COMPUTING, MODEL, collected, textOf } from "../testing/fixture.js";

/** Asserts that a call is refused as wrong, for what one of its options says. */
async function wrong(call, field) {
  await assert.rejects(call, (error) => {
    assert.equal(error.code, "invalid_request", error.stack);
    assert.match(String(error.field), field, error.message);
    return true;
  });
}

describe("a form", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 2048 });
  });
  after(() => engine.close());

  const ask = async (options) => {
    const { text, finishReason } = await engine.chat("Report.", { maxTokens: 64, ...options });
    assert.equal(finishReason, "stop", text);
    return text;
  };

  it("is a JSON schema: an object, or its text", async () => {
    for (const jsonSchema of [REPORT, JSON.stringify(REPORT)]) {
      const report = JSON.parse(await ask({ jsonSchema }));
      assert.deepEqual(Object.keys(report).sort(), ["degrees", "sky", "windy"]);
      assert.ok(REPORT.properties.sky.enum.includes(report.sky));
      assert.equal(typeof report.windy, "boolean");
    }
    // The order and the spelling are the caller's.
    const schema = (names) => ({
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, { const: 1 }])),
      required: names,
      additionalProperties: false,
    });
    for (const names of [
      ["zebra", "maxTokens", "a_b"],
      ["a_b", "zebra", "__proto__", "maxTokens"],
    ]) {
      const text = await ask({ jsonSchema: schema(names) });
      assert.deepEqual(
        [...text.matchAll(/"(\w+)"/g)].map(([, name]) => name).sort(),
        [...names].sort(),
      );
    }
    assert.deepEqual(JSON.parse(await ask({ jsonSchema: { const: { n: 10n, d: new Date(0) } } })), {
      n: 10,
      d: "1970-01-01T00:00:00.000Z",
    });
  });

  it("is one of few texts, a regular expression, a grammar", async () => {
    assert.ok(["left", "right"].includes(await ask({ choice: ["left", "right"] })));
    assert.match(await ask({ regex: "[a-f]{4}-[0-9]{2}" }), /^[a-f]{4}-[0-9]{2}$/);
    assert.match(await ask({ lark: 'start: "x" /[0-9]/ "y"' }), /^x[0-9]y$/);
    assert.match(await ask({ gbnf: 'root ::= "no" | "yes" "!"' }), /^(no|yes!)$/);
    const events = await collected(
      engine.complete("The answer is ", { choice: ["left", "right"], maxTokens: 8, stream: true }),
    );
    assert.ok(["left", "right"].includes(textOf(events)));
    const { text } = await engine.chat("Report.", { jsonObject: true, maxTokens: 200 });
    assert.match(text, /^\s*\{/);
  });

  it("can't be met, and says where", async () => {
    const big = {
      type: "object",
      properties: Object.fromEntries(
        Array.from({ length: 16_000 }, (_, index) => [
          `field${index}`,
          { type: "string", description: "x".repeat(20) },
        ]),
      ),
    };
    const itself = { type: "object", properties: {} };
    itself.properties.itself = itself;
    for (const [options, field] of [
      [{ jsonSchema: REPORT, regex: "x" }, /^(jsonSchema|regex)$/],
      [{ jsonSchema: "{" }, /^jsonSchema$/],
      [{ jsonSchema: { $ref: "https://example.com/schema.json" } }, /^jsonSchema$/],
      [{ jsonSchema: { type: "nothing" } }, /^jsonSchema$/],
      [{ jsonSchema: itself }, /^jsonSchema$/],
      [{ jsonSchema: { minimum: NaN } }, /^jsonSchema\.minimum$/],
      [{ jsonSchema: { enum: [() => 1] } }, /^jsonSchema\.enum\[0\]$/],
      [{ jsonSchema: { enum: [Symbol("x")] } }, /^jsonSchema\.enum\[0\]$/],
      [{ jsonSchema: { const: 2n ** 60n } }, /^jsonSchema\.const$/],
      [{ jsonSchema: { properties: new Map() } }, /^jsonSchema\.properties$/],
      [{ jsonSchema: { const: "\udc00" } }, /^jsonSchema\.const$/],
      [{ jsonSchema: { "\udc00": 1 } }, /^jsonSchema$/],
      [{ jsonSchema: 5 }, /^jsonSchema$/],
      [{ regex: "(" }, /^regex$/],
      // Only the answer shows that it is too large.
      [{ regex: "(a{1,1000}){1,1000}{1,1000}" }, /^(regex|undefined)$/],
      [{ lark: "start: nothing" }, /^lark$/],
      [{ gbnf: "root ::= (" }, /^gbnf$/],
      [{ choice: [] }, /^choice$/],
      [{ choice: [{}] }, /^choice/],
    ]) {
      await wrong(engine.chat("Report.", options), field);
    }
    // Either it is too large, or it is met: but it is answered, and nobody waits for it.
    const answer = await engine.chat("Report.", { jsonSchema: big, maxTokens: 4 }).then(
      ({ usage }) => usage.completionTokens > 0,
      ({ code, field }) => code === "invalid_request" && field === "jsonSchema",
    );
    assert.ok(answer);
    assert.equal(await ask({ choice: ["on"] }), "on");
  });
});

describe("several answers", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 4096 });
  });
  after(() => engine.close());

  const drawn = { temperature: 1, seed: 3, maxTokens: 8, ignoreEos: true };

  it("are the reply and its alternatives", async () => {
    const reply = await engine.complete("Once upon a time", { ...drawn, n: 3 });
    assert.equal(reply.alternatives.length, 2);
    assert.equal(reply.usage.completionTokens, 24);
    for (const { text, reasoning, toolCalls, finishReason, logprobs } of reply.alternatives) {
      assert.ok(text.length > 0);
      assert.deepEqual([reasoning, toolCalls, finishReason, logprobs], [null, [], "length", []]);
    }
    assert.equal(new Set([reply.text, ...reply.alternatives.map(({ text }) => text)]).size, 3);
  });

  it("are streamed by choice", async () => {
    const events = await collected(
      engine.complete("Once upon a time", { ...drawn, n: 3, stream: true }),
    );
    const texts = ["", "", ""];
    for (const event of events) if (event.type === "text") texts[event.choice] += event.text;
    assert.ok(texts.every((text) => text.length > 0));
    const ends = events.filter(({ type }) => type === "choiceFinished");
    assert.deepEqual(ends.map(({ choice }) => choice).sort(), [0, 1, 2]);
    assert.ok(ends.every(({ reason }) => reason === "length"));
    assert.equal(events.at(-1).usage.completionTokens, 24);
  });

  it("are computed, and the best is told", async () => {
    const options = { ...drawn, n: 1, bestOf: 4, logprobs: true };
    const reply = await engine.complete("Once upon a time", options);
    assert.deepEqual(reply.alternatives, []);
    const mean = ({ logprobs }) =>
      logprobs.reduce((sum, { logprob }) => sum + logprob, 0) / logprobs.length;
    for (const seed of [3, 4, 5, 6]) {
      const one = await engine.complete("Once upon a time", { ...drawn, seed, logprobs: true });
      assert.ok(mean(one) <= mean(reply) + 0.05, `${mean(one)} for ${seed}, told: ${mean(reply)}`);
    }
  });

  it("come with the likeliest tokens, and with the prompt's", async () => {
    const options = { maxTokens: 4, logprobs: true, topLogprobs: 3, promptLogprobs: true };
    const reply = await engine.complete("Once upon a time", options);
    assert.equal(reply.logprobs.length, reply.usage.completionTokens);
    for (const { token, logprob, top } of reply.logprobs) {
      assert.equal(top.length, 3);
      assert.ok(top[0].logprob >= top[1].logprob && top[1].logprob >= top[2].logprob);
      assert.deepEqual([top[0].token, top[0].logprob], [token, logprob], "greedy takes the first");
    }
    assert.equal(reply.promptLogprobs.length, reply.usage.promptTokens);
    const [first, ...rest] = reply.promptLogprobs;
    assert.equal(first.logprob, null);
    assert.ok(rest.every(({ logprob, top }) => logprob <= 0 && top.length === 3));
    const events = await collected(
      engine.complete("Once upon a time", { ...options, stream: true }),
    );
    assert.equal(events[0].type, "promptLogprobs");
    assert.deepEqual(
      events[0].tokens.map(({ token }) => token),
      reply.promptLogprobs.map(({ token }) => token),
    );
    const plain = await engine.complete("Once upon a time", { maxTokens: 2, logprobs: true });
    assert.ok(plain.logprobs.every(({ top }) => top.length === 0));
    assert.deepEqual(plain.promptLogprobs, []);
  });

  it("are steered by biases, bans and stop tokens of every form", async () => {
    const plain = await engine.complete("1, 2, 3,", { maxTokens: 6, logprobs: true });
    const [{ token }] = plain.logprobs;
    for (const logitBias of [{ [token]: false }, [[token, false]], [[token, -100]]]) {
      const other = await engine.complete("1, 2, 3,", { maxTokens: 6, logprobs: true, logitBias });
      assert.ok(other.logprobs.every((each) => each.token !== token));
    }
    const loud = await engine.complete("1, 2, 3,", { maxTokens: 3, logitBias: { "!": 100 } });
    assert.match(loud.text, /!/);
    const banned = await engine.complete("1, 2, 3, 4, 5,", { maxTokens: 12, bannedStrings: ["7"] });
    assert.doesNotMatch(banned.text, /7/);
    const stopped = await engine.complete("1, 2, 3,", { maxTokens: 6, stopTokens: [token] });
    assert.deepEqual([stopped.finishReason, stopped.usage.completionTokens], ["stop", 0]);
    const ordered = { temperature: 0.8, seed: 1, samplers: ["top_k", "temperature"], maxTokens: 2 };
    assert.equal((await engine.complete("Once", ordered)).usage.completionTokens, 2);
    for (const [options, field] of [
      [{ logitBias: { 99999999: 1 } }, /^logitBias/],
      [{ logitBias: { a: "much" } }, /^logitBias/],
      [{ logitBias: [["a"]] }, /^logitBias/],
      [{ logitBias: 5 }, /^logitBias/],
      [{ stopTokens: [-1] }, /^stopTokens/],
      [{ stopTokens: ["a"] }, /^stopTokens/],
      [{ samplers: ["top_k", "top_q"] }, /^samplers/],
      [{ samplers: ["topK"] }, /^samplers/],
      [{ stop: Array.from({ length: 10_000 }, (_, index) => `${index}.`) }, /^stop/],
      [{ bannedStrings: [""] }, /^bannedStrings/],
      [{ logprobs: false, topLogprobs: 3 }, /^topLogprobs/],
      [{ logprobs: true, topLogprobs: 21 }, /^topLogprobs/],
      [{ n: 0 }, /^n$/],
      [{ n: 3, bestOf: 2 }, /^bestOf/],
      [{ mirostat: 3 }, /^mirostat/],
      [{ minTokens: 9, maxTokens: 8 }, /^minTokens/],
      [{ xtcProbability: 1.5 }, /^xtcProbability/],
      [{ repeatLastN: -2 }, /^repeatLastN/],
    ]) {
      const call = engine.complete("Once", { maxTokens: 4, ...options });
      await wrong(call, field);
    }
  });
});
