/**
 * What OpenAI's client for Node is to do with an engine below it, whatever carries its requests.
 */
import assert from "node:assert/strict";
import { it } from "node:test";

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { PLACE, QUESTION, REPORT } from "./clients.js";

const TOOL = {
  type: "function",
  function: {
    name: "forecast",
    description: "Tells the weather.",
    parameters: PLACE,
    strict: true,
  },
};

/** Nothing random, and as many tokens as a report or a call takes. */
const GREEDY = { temperature: 0, max_tokens: 64 };

/** A model as small as this calls again and again, where it may. */
const ONCE = { parallel_tool_calls: false };

function assertReport(report) {
  assert.deepEqual(Object.keys(report).sort(), ["degrees", "sky", "windy"]);
  assert.ok(REPORT.properties.sky.enum.includes(report.sky));
  assert.ok(Number.isInteger(report.degrees) && Math.abs(report.degrees) <= 50);
  assert.equal(typeof report.windy, "boolean");
}

function assertPlace(place) {
  assert.deepEqual(Object.keys(place).sort(), ["city", "days"]);
  assert.ok(PLACE.properties.city.enum.includes(place.city));
  assert.ok(place.days >= 1 && place.days <= 9);
}

function assertUsage(usage) {
  assert.ok(usage.prompt_tokens > 0);
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
}

/** Defines the tests; `client` gives the client once they run, and `idle` waits for an idle engine. */
export function openaiTests({ client: clientOf, idle }) {
  /** @type {OpenAI} */
  let client;
  const model = "smollm2-135m";

  it("lists the model, and finds it by its name", async () => {
    client = clientOf();
    const models = [];
    for await (const each of client.models.list()) models.push(each);
    assert.equal(models.length, 1);
    assert.equal(models[0].object, "model");
    const found = await client.models.retrieve(models[0].id);
    assert.deepEqual(found, models[0]);
  });

  it("answers a chat", async () => {
    client = clientOf();
    const { data, response, request_id } = await client.chat.completions
      .create({ messages: QUESTION, temperature: 0, max_tokens: 5 })
      .withResponse();
    assert.equal(response.status, 200);
    assert.ok(response.headers.get("content-type").startsWith("application/json"));
    assert.match(request_id, /^req_/);
    assert.equal(data.object, "chat.completion");
    assert.ok(data.id.length > 0 && data.created > 1_600_000_000 && data.model.length > 0);
    const [{ index, message, finish_reason, logprobs }] = data.choices;
    assert.deepEqual(
      [index, message.role, message.refusal, logprobs],
      [0, "assistant", null, null],
    );
    assert.ok(message.content.length > 0);
    assert.ok(["stop", "length"].includes(finish_reason));
    assertUsage(data.usage);
    assert.ok(data.usage.completion_tokens <= 5);
  });

  it("streams the same answer, with the usage at its end", async () => {
    client = clientOf();
    const asked = { messages: QUESTION, temperature: 0, max_tokens: 12 };
    const whole = await client.chat.completions.create(asked);
    const stream = await client.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.ok(
      chunks.every(({ object, id }) => object === "chat.completion.chunk" && id === chunks[0].id),
    );
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    assert.equal(text, whole.choices[0].message.content);
    const ends = chunks.flatMap(({ choices }) =>
      choices.flatMap((choice) => choice.finish_reason ?? []),
    );
    assert.deepEqual(ends, [whole.choices[0].finish_reason]);
    const last = chunks.at(-1);
    assert.deepEqual(last.choices, []);
    assertUsage(last.usage);
    assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
  });

  it("gives log-probabilities, several answers and what ends them", async () => {
    client = clientOf();
    const { choices, usage } = await client.chat.completions.create({
      messages: QUESTION,
      max_completion_tokens: 4,
      temperature: 1,
      seed: 7,
      n: 3,
      logprobs: true,
      top_logprobs: 2,
    });
    assert.deepEqual(
      choices.map(({ index }) => index),
      [0, 1, 2],
    );
    for (const { logprobs } of choices) {
      assert.ok(logprobs.content.length > 0);
      for (const { token, logprob, bytes, top_logprobs } of logprobs.content) {
        assert.equal(typeof token, "string");
        assert.ok(logprob <= 0 && Array.isArray(bytes));
        assert.equal(top_logprobs.length, 2);
        assert.ok(top_logprobs[0].logprob >= top_logprobs[1].logprob);
      }
    }
    assertUsage(usage);
    const stopped = await client.chat.completions.create({
      messages: [{ role: "user", content: "Count: 1, 2, 3, 4," }],
      ...GREEDY,
      stop: ["3"],
    });
    assert.doesNotMatch(stopped.choices[0].message.content, /3/);
  });

  it("completes a text", async () => {
    client = clientOf();
    const asked = { model, prompt: "The capital of France is", temperature: 0, max_tokens: 6 };
    const whole = await client.completions.create(asked);
    assert.equal(whole.object, "text_completion");
    assert.ok(whole.choices[0].text.length > 0);
    assert.equal(whole.usage.completion_tokens, 6);
    let text = "";
    for await (const chunk of await client.completions.create({ ...asked, stream: true }))
      text += chunk.choices[0]?.text ?? "";
    assert.equal(text, whole.choices[0].text);
  });

  it("answers in JSON that fits a schema", async () => {
    client = clientOf();
    const { choices } = await client.chat.completions.create({
      messages: [{ role: "user", content: "Report the weather as JSON." }],
      ...GREEDY,
      response_format: {
        type: "json_schema",
        json_schema: { name: "report", schema: REPORT, strict: true },
      },
    });
    assert.equal(choices[0].finish_reason, "stop");
    assertReport(JSON.parse(choices[0].message.content));
  });

  it("parses what it answers, by a schema of zod's", async () => {
    client = clientOf();
    const Report = z.object({
      sky: z.enum(["clear", "cloudy", "foggy"]),
      degrees: z.number().int().min(-40).max(50),
      windy: z.boolean(),
    });
    const { choices } = await client.chat.completions.parse({
      messages: [{ role: "user", content: "Report the weather." }],
      ...GREEDY,
      response_format: zodResponseFormat(Report, "report"),
    });
    assertReport(choices[0].message.parsed);
  });

  it("calls a tool, and answers with what it gave", async () => {
    client = clientOf();
    const messages = [{ role: "user", content: "What is the weather in Oslo?" }];
    const asked = { ...GREEDY, ...ONCE, tools: [TOOL] };
    const called = await client.chat.completions.create({
      ...asked,
      messages,
      tool_choice: "required",
    });
    const [{ message, finish_reason }] = called.choices;
    assert.equal(finish_reason, "tool_calls");
    assert.ok(message.tool_calls.length >= 1);
    for (const call of message.tool_calls) {
      assert.equal(call.type, "function");
      assert.equal(call.function.name, "forecast");
      assertPlace(JSON.parse(call.function.arguments));
    }
    const results = message.tool_calls.map(({ id }) => ({
      role: "tool",
      tool_call_id: id,
      content: '{"sky": "clear"}',
    }));
    const answered = await client.chat.completions.create({
      ...asked,
      messages: [...messages, message, ...results],
      tool_choice: "none",
    });
    assert.ok(answered.choices[0].message.content.length > 0);
    assert.equal(answered.choices[0].message.tool_calls, undefined);
  });

  it("runs tools by themselves", async () => {
    client = clientOf();
    const heard = [];
    const runner = client.chat.completions.runTools({
      messages: [{ role: "user", content: "What is the weather in Rome?" }],
      ...GREEDY,
      ...ONCE,
      tool_choice: { type: "function", function: { name: "forecast" } },
      tools: [
        zodFunction({
          name: "forecast",
          description: "Tells the weather.",
          parameters: z.object({
            city: z.enum(["Oslo", "Rome", "Quito"]),
            days: z.number().int().min(1).max(9),
          }),
          function: (place) => {
            heard.push(place);
            return { sky: "clear" };
          },
        }),
      ],
    });
    await runner.done();
    assert.equal(heard.length, 1);
    assertPlace(heard[0]);
    assert.deepEqual(JSON.parse(await runner.finalFunctionToolCallResult()), { sky: "clear" });
  });

  it("streams with its helper: content, and tool calls put together", async () => {
    client = clientOf();
    const asked = { messages: QUESTION, temperature: 0, max_tokens: 12 };
    let text = "";
    const stream = client.chat.completions.stream(asked).on("content", (delta) => (text += delta));
    const content = await stream.finalContent();
    assert.equal(text, content);
    const calling = client.chat.completions.stream({
      messages: [{ role: "user", content: "What is the weather in Quito?" }],
      ...GREEDY,
      ...ONCE,
      tools: [TOOL],
      tool_choice: "required",
    });
    const deltas = [];
    calling.on("tool_calls.function.arguments.delta", (delta) => deltas.push(delta));
    const { choices } = await calling.finalChatCompletion();
    assert.ok(deltas.length > 0);
    for (const call of choices[0].message.tool_calls) {
      assert.match(call.id, /./);
      assertPlace(JSON.parse(call.function.arguments));
    }
  });

  it("parses what it streams", async () => {
    client = clientOf();
    const Choice = z.object({ answer: z.enum(["yes", "no"]) });
    const stream = client.chat.completions.stream({
      messages: [{ role: "user", content: "Is the sea wet?" }],
      ...GREEDY,
      response_format: zodResponseFormat(Choice, "choice"),
    });
    const { choices } = await stream.finalChatCompletion();
    assert.ok(["yes", "no"].includes(choices[0].message.parsed.answer));
  });

  it("is aborted, before the answer and in the middle of it", async () => {
    client = clientOf();
    const long = { messages: QUESTION, max_tokens: 400, seed: 1, logit_bias: {}, ignore_eos: true };
    const early = new AbortController();
    const never = client.chat.completions.create(long, { signal: early.signal, maxRetries: 0 });
    setImmediate(() => early.abort());
    await assert.rejects(never, OpenAI.APIUserAbortError);
    await idle();

    const stream = await client.chat.completions.create({ ...long, stream: true });
    let chunks = 0;
    for await (const _ of stream) if (++chunks === 3) stream.controller.abort();
    assert.ok(chunks >= 3);
    await idle();

    const left = await client.chat.completions.create({ ...long, stream: true });
    for await (const _ of left) break;
    await idle();
  });

  it("tells what went wrong in its own classes", async () => {
    client = clientOf();
    const ask = (options) =>
      client.chat.completions.create({ messages: QUESTION, max_tokens: 2, ...options });
    const failure = async (call, kind) => {
      const error = await call.then(
        () => assert.fail("was not refused"),
        (error) => error,
      );
      assert.ok(error instanceof kind, error.stack);
      assert.equal(typeof error.error.message, "string");
      assert.match(error.requestID, /^req_/);
      return error;
    };
    const range = await failure(ask({ temperature: -1 }), OpenAI.BadRequestError);
    assert.deepEqual([range.param, range.type], ["temperature", "invalid_request_error"]);
    const unknown = await failure(ask({ temprature: 1 }), OpenAI.BadRequestError);
    assert.equal(unknown.param, "temprature");
    const missing = await failure(ask({ model: "gpt-4o" }), OpenAI.NotFoundError);
    assert.equal(missing.code, "model_not_found");
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } };
    await failure(ask({ messages: [{ role: "user", content: [image] }] }), OpenAI.BadRequestError);
    await failure(ask({ messages: [{ role: "user", content: null }] }), OpenAI.BadRequestError);
    await failure(ask({ messages: [{ role: "narrator", content: "x" }] }), OpenAI.BadRequestError);
    await failure(ask({ stream: true, temperature: -1 }), OpenAI.BadRequestError);
    await failure(client.embeddings.create({ model, input: "x" }), OpenAI.BadRequestError);
    const long = [{ role: "user", content: "word ".repeat(5000) }];
    const overflow = await failure(ask({ messages: long }), OpenAI.BadRequestError);
    assert.equal(overflow.code, "context_length_exceeded");
    assert.ok(await ask({}), "the engine serves on");
  });
}
