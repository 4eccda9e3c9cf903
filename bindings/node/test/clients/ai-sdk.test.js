/**
 * Vercel's AI SDK, as it is, with an engine's `fetch` below it: no network.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Engine } from "indwell";

import { PLACE, REPORT, SKIP } from "../../testing/clients.js";
import { COMPUTING, MODEL, idle, until } from "../../testing/fixture.js";

describe("the AI SDK in process", { skip: SKIP }, async () => {
  if (SKIP) return;
  const {
    APICallError,
    Output,
    generateObject,
    generateText,
    jsonSchema,
    stepCountIs,
    streamText,
    tool,
  } = await import("ai");
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  const { z } = await import("zod");

  /** @type {import("indwell").Engine} */
  let engine;
  let model;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 4096 });
    const provider = createOpenAICompatible({
      name: "indwell",
      baseURL: "http://localhost/v1",
      fetch: engine.fetch,
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
    model = provider(engine.model.name);
  });
  after(() => engine.close());

  const GREEDY = { temperature: 0, maxOutputTokens: 64, maxRetries: 0 };
  /** A model as small as this calls again and again, where it may. */
  const ONCE = { providerOptions: { indwell: { parallel_tool_calls: false } } };

  it("generates text", async () => {
    const { text, finishReason, usage, warnings } = await generateText({
      model,
      system: "You answer in one word.",
      prompt: "What is the capital of France?",
      ...GREEDY,
      maxOutputTokens: 5,
    });
    assert.ok(text.length > 0);
    assert.ok(["stop", "length"].includes(finishReason));
    assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0 && usage.outputTokens <= 5);
    assert.deepEqual(warnings, []);
  });

  it("streams text", async () => {
    const result = streamText({ model, prompt: "Count to five.", ...GREEDY, maxOutputTokens: 16 });
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    assert.ok(pieces.length > 1, "it comes piece by piece");
    assert.equal(await result.text, pieces.join(""));
    const { outputTokens } = await result.usage;
    assert.ok(outputTokens > 0 && outputTokens <= 16);
    assert.ok(["stop", "length"].includes(await result.finishReason));
  });

  it("generates an object that fits a schema", async () => {
    const Report = z.object({
      sky: z.enum(["clear", "cloudy", "foggy"]),
      degrees: z.number().int().min(-40).max(50),
      windy: z.boolean(),
    });
    const prompt = "Report the weather.";
    const { object } = await generateObject({ model, schema: Report, prompt, ...GREEDY });
    assert.deepEqual(Report.parse(object), object);
    const { output } = await generateText({
      model,
      prompt,
      output: Output.object({ schema: jsonSchema(REPORT) }),
      ...GREEDY,
    });
    assert.deepEqual(Report.parse(output), output);
  });

  it("streams an object as it grows", async () => {
    const result = streamText({
      model,
      prompt: "Report the weather.",
      output: Output.object({ schema: jsonSchema(REPORT) }),
      ...GREEDY,
    });
    const partial = [];
    for await (const each of result.partialOutputStream) partial.push(each);
    assert.ok(partial.length > 1);
    assert.deepEqual(partial.at(-1), await result.output);
  });

  it("calls a tool, and goes on with what it gave", async () => {
    const heard = [];
    const forecast = tool({
      description: "Tells the weather.",
      inputSchema: jsonSchema(PLACE),
      execute: async (place) => {
        heard.push(place);
        return { sky: "clear" };
      },
    });
    const { steps } = await generateText({
      model,
      prompt: "What is the weather in Rome?",
      tools: { forecast },
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
      stopWhen: stepCountIs(2),
      ...GREEDY,
      ...ONCE,
    });
    assert.equal(steps[0].finishReason, "tool-calls");
    assert.ok(heard.length >= 1);
    for (const place of heard) {
      assert.ok(PLACE.properties.city.enum.includes(place.city));
      assert.ok(place.days >= 1 && place.days <= 9);
    }
    assert.equal(steps.length, 2);
    assert.ok(steps[1].text.length > 0);
    assert.deepEqual(steps[1].toolCalls, []);
  });

  it("streams a tool call", async () => {
    const result = streamText({
      model,
      prompt: "What is the weather in Rome?",
      tools: {
        forecast: tool({ description: "Tells the weather.", inputSchema: jsonSchema(PLACE) }),
      },
      toolChoice: { type: "tool", toolName: "forecast" },
      ...GREEDY,
      ...ONCE,
    });
    const kinds = new Set();
    for await (const { type } of result.fullStream) kinds.add(type);
    for (const kind of ["tool-input-start", "tool-input-delta", "tool-call", "finish"])
      assert.ok(kinds.has(kind), [...kinds].join());
    const [call] = await result.toolCalls;
    assert.equal(call.toolName, "forecast");
    assert.ok(PLACE.properties.city.enum.includes(call.input.city));
  });

  it("is aborted", async () => {
    const controller = new AbortController();
    const result = streamText({
      model,
      prompt: "Tell me a long story.",
      abortSignal: controller.signal,
      maxOutputTokens: 500,
      seed: 1,
      maxRetries: 0,
    });
    const kinds = [];
    for await (const { type } of result.fullStream) {
      kinds.push(type);
      if (type === "text-delta") controller.abort();
    }
    assert.equal(kinds.at(-1), "abort");
    await until(() => idle(engine));
  });

  it("tells what went wrong in its own class", async () => {
    const asked = generateText({ model, prompt: "Hello", temperature: -1, maxRetries: 0 });
    await assert.rejects(asked, (error) => {
      assert.ok(APICallError.isInstance(error), error.stack);
      assert.equal(error.statusCode, 400);
      assert.match(error.message, /temperature/);
      assert.equal(error.isRetryable, false);
      return true;
    });
  });
});
