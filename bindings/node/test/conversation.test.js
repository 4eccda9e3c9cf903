/**
 * Messages in every form, tools and reasoning: what JavaScript's callers give, and what they get.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Engine } from "indwell";

import { PLACE } from "../testing/clients.js";
import { COMPUTING, MODEL, collected, refused, textOf } from "../testing/fixture.js";

/** Shows what a template is given, so that a prompt's length tells forms apart. */
const PRINTING =
  "{% for m in messages %}<{{ m.role }}|{{ m.name }}|{{ m.reasoning_content }}|{{ m.tool_call_id }}|" +
  "{{ m.content }}|{{ m.tool_calls | tojson if m.tool_calls else '' }}>{% endfor %}" +
  "{{ tools | tojson if tools else '' }}{{ documents | tojson if documents else '' }}{{ mood }}";

const TOOLS = [{ name: "forecast", description: "Tells the weather.", parameters: PLACE }];
const CALL = { id: "call_1", name: "forecast", arguments: '{"city":"Oslo","days":2}' };

describe("a conversation", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  let printing;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 2048 });
    const options = { ...COMPUTING, contextTokens: 1024, sequencesMax: 2 };
    printing = await Engine.load(MODEL, { ...options, chatTemplate: PRINTING });
  });
  after(async () => {
    await engine.close();
    await printing.close();
  });

  /** How many tokens a template that shows all of it makes of a chat. */
  async function lengthOf(messages, options) {
    const { usage } = await printing.chat(messages, { maxTokens: 1, ...options });
    return usage.promptTokens;
  }

  it("is the same in this package's form and in OpenAI's", async () => {
    const ours = [
      { role: "system", content: "Be brief." },
      { role: "user", name: "Ada", content: "Weather in Oslo?" },
      { role: "assistant", content: "", reasoning: "I look it up.", toolCalls: [CALL] },
      { role: "tool", toolCallId: "call_1", content: "Fog." },
    ];
    const call = { id: CALL.id, type: "function" };
    const theirs = [
      {
        role: "developer",
        content: [
          { type: "text", text: "Be " },
          { type: "text", text: "brief." },
        ],
      },
      { role: "user", name: "Ada", content: "Weather in Oslo?", toolCalls: null, tool_calls: null },
      {
        role: "assistant",
        content: null,
        refusal: null,
        annotations: [],
        reasoning_content: "I look it up.",
        tool_calls: [{ ...call, function: { name: CALL.name, arguments: CALL.arguments } }],
      },
      { role: "tool", tool_call_id: "call_1", content: [{ type: "text", text: "Fog." }] },
    ];
    const [one, other] = [await lengthOf(ours), await lengthOf(theirs)];
    assert.equal(one, other);
    assert.ok(one > (await lengthOf(ours.slice(0, 3))));
    // Each part of a message reaches the template.
    for (const [index, without] of [
      [1, { name: undefined }],
      [2, { reasoning: null }],
      [2, { content: "I looked.", toolCalls: undefined }],
      [3, { toolCallId: undefined }],
    ]) {
      const less = ours.map((message, at) => (at === index ? { ...message, ...without } : message));
      const length = await lengthOf(less).catch(({ code }) => code);
      assert.notEqual(length, one, JSON.stringify(without));
    }
  });

  it("takes a reply's calls back as they are", async () => {
    const asked = [{ role: "user", content: "What is the weather in Oslo?" }];
    const { text, toolCalls, finishReason } = await engine.chat(asked, {
      tools: TOOLS,
      toolChoice: "required",
      parallelToolCalls: false,
      maxTokens: 64,
    });
    assert.equal(finishReason, "tool_calls");
    assert.ok(toolCalls.length >= 1);
    for (const call of toolCalls) {
      assert.deepEqual(Object.keys(call), ["id", "name", "arguments"]);
      assert.equal(call.name, "forecast");
      const { city, days } = JSON.parse(call.arguments);
      assert.ok(PLACE.properties.city.enum.includes(city) && days >= 1 && days <= 9);
    }
    const results = toolCalls.map(({ id }) => ({ role: "tool", toolCallId: id, content: "Fog." }));
    const answered = await engine.chat(
      [...asked, { role: "assistant", content: text, toolCalls }, ...results],
      { tools: TOOLS, toolChoice: "none", maxTokens: 8 },
    );
    assert.ok(answered.text.length > 0);
    assert.deepEqual(answered.toolCalls, []);
  });

  it("streams a call in pieces that add up", async () => {
    const asked = [
      "What is the weather in Rome?",
      { tools: TOOLS, toolChoice: { name: "forecast" }, parallelToolCalls: false },
    ];
    const [prompt, options] = asked;
    const whole = await engine.chat(prompt, { ...options, maxTokens: 64 });
    const events = await collected(
      engine.chat(prompt, { ...options, maxTokens: 64, stream: true }),
    );
    assert.equal(textOf(events), whole.text);
    const pieces = events.filter(({ type }) => type === "toolCall");
    assert.ok(pieces.length > 1);
    const [first, ...rest] = pieces;
    assert.equal(first.name, "forecast");
    assert.ok(first.id.length > 0);
    assert.deepEqual([first.choice, first.index], [0, 0]);
    for (const piece of rest) assert.ok(!("id" in piece) && !("name" in piece));
    const joined = pieces.map((piece) => piece.arguments).join("");
    assert.equal(joined, whole.toolCalls[0].arguments);
    assert.equal(events.at(-1).reason, "tool_calls");
  });

  it("takes tools as OpenAI's clients write them, names in schemas as they are", async () => {
    const theirs = TOOLS.map((tool) => ({ type: "function", function: { ...tool, strict: true } }));
    assert.equal(
      await lengthOf("Weather?", { tools: TOOLS, toolChoice: "auto" }),
      await lengthOf("Weather?", { tools: theirs, toolChoice: "auto" }),
    );
    const camelCase = {
      type: "object",
      properties: { maxTokens: { enum: [1] }, top_k: { enum: [2] } },
      required: ["maxTokens", "top_k"],
      additionalProperties: false,
    };
    const { toolCalls } = await engine.chat("Go!", {
      tools: [{ name: "go", parameters: camelCase }],
      toolChoice: "required",
      parallelToolCalls: false,
      maxTokens: 64,
    });
    assert.deepEqual(JSON.parse(toolCalls[0].arguments), { maxTokens: 1, top_k: 2 });
  });

  it("gives templates documents and arguments as they are", async () => {
    const plain = await lengthOf("Hello");
    const documents = [{ title: "Weather", text: "Fog in Oslo." }];
    assert.ok((await lengthOf("Hello", { documents })) > plain);
    assert.ok((await lengthOf("Hello", { templateArgs: { mood: "quite gloomy today" } })) > plain);
    assert.equal(await lengthOf("Hello", { templateArgs: { otherMood: "quite gloomy" } }), plain);
  });

  it("continues the last message", async () => {
    const messages = [
      { role: "user", content: "Name the capital of France." },
      { role: "assistant", content: "The capital of France is" },
    ];
    const [continued, answered] = [
      await engine.chat(messages, { continueFinalMessage: true, maxTokens: 4 }),
      await engine.chat(messages, { maxTokens: 4 }),
    ];
    assert.ok(continued.usage.promptTokens < answered.usage.promptTokens);
    assert.ok(continued.text.length > 0);
  });

  it("tells reasoning apart, or does not", async () => {
    const thinking = await Engine.load(MODEL, {
      ...COMPUTING,
      contextTokens: 512,
      sequencesMax: 1,
      chatTemplate: "{% for m in messages %}{{ m.content }}{% endfor %}",
      reasoningParser: "think",
    });
    try {
      const constrained = { regex: "<think>a b c</think>d", maxTokens: 32 };
      const apart = await thinking.chat("Hello", constrained);
      assert.deepEqual([apart.reasoning, apart.text], ["a b c", "d"]);
      const together = await thinking.chat("Hello", { ...constrained, separateReasoning: false });
      assert.equal(together.reasoning, null);
      assert.match(together.text, /a b c.*d/);
      const events = await collected(thinking.chat("Hello", { ...constrained, stream: true }));
      const reasoning = events.filter(({ type }) => type === "reasoning");
      assert.equal(reasoning.map(({ text }) => text).join(""), "a b c");
      assert.equal(textOf(events), "d");
    } finally {
      await thinking.close();
    }
  });

  it("refuses messages and tools that are wrong, and goes on", async () => {
    const user = { role: "user", content: "Hello" };
    for (const [messages, code, field] of [
      [[{ role: "narrator", content: "x" }], "invalid_request", /role/],
      [[{ role: "user", content: null }], "invalid_request", /messages\[0\]\.content/],
      [[user, { role: "assistant", content: null }], "invalid_request", /messages\[1\]\.content/],
      [[{ ...user, mood: "grim" }], "invalid_request", /messages\[0\]\.mood/],
      [[{ ...user, tool_calls: [], toolCalls: [] }], "invalid_request", /messages\[0\]\.tool/],
      [[{ role: "assistant", toolCalls: "x" }], "invalid_request", /messages\[0\]\.toolCalls/],
      [
        [{ role: "user", content: [{ type: "text" }] }],
        "invalid_request",
        /messages\[0\]\.content/,
      ],
      [
        [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] }],
        "unsupported",
        /messages\[0\]\.content\[0\]/,
      ],
      [
        [{ role: "user", content: [{ type: "text", text: "half: \ud83d" }] }],
        "invalid_request",
        /messages\[0\]\.content\[0\]\.text/,
      ],
    ]) {
      const error = await refused(engine.chat(messages), { code });
      assert.match(error.field, field);
      const streamed = await refused(engine.chat(messages, { stream: true }).next(), { code });
      assert.equal(streamed.message, error.message);
    }
    for (const [options, field] of [
      [{ tools: "forecast" }, /^tools/],
      [{ tools: [{}] }, /^tools/],
      [{ tools: [{ name: "no spaces, please" }] }, /^tools/],
      [{ tools: [{ name: "" }] }, /^tools/],
      [{ tools: [{ name: "a" }, { name: "a" }] }, /^tools/],
      [{ tools: [{ name: "a", parameters: { type: "nothing" } }] }, /^tools/],
      [{ tools: TOOLS, toolChoice: "sometimes" }, /^toolChoice/],
      [{ tools: TOOLS, toolChoice: { name: "other" } }, /^toolChoice/],
      [{ toolChoice: "required" }, /^toolChoice/],
      [{ tools: TOOLS, toolChoice: "required", regex: "x" }, /./],
      [{ documents: {} }, /^documents/],
      [{ templateArgs: [1] }, /^templateArgs/],
    ]) {
      const error = await refused(engine.chat("Hello", options), { code: "invalid_request" });
      assert.match(error.field, field, error.message);
    }
    await refused(engine.complete("Hello", { tools: TOOLS }), { code: "invalid_request" });
    const { usage } = await engine.chat("Hello", { maxTokens: 1 });
    assert.equal(usage.completionTokens, 1);
  });
});
