/**
 * The behaviour that every language shares: runs `tests/conformance/cases`, as its README says.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Engine, IndwellError } from "indwell";

import { MODEL, collected, textOf } from "../testing/fixture.js";

const FOLDER = new URL("../../../tests/conformance/", import.meta.url);
const FILES = fileURLToPath(new URL("files", FOLDER));

/** Names as JavaScript spells them; `only_if_cached` is a value, the same in every language. */
const camelCase = (words) =>
  words.replace(/only_if_cached|_([a-z])/g, (word, letter) => letter?.toUpperCase() ?? word);

function optionsOf({ options = {} }) {
  const entries = Object.entries(options).map(([name, value]) => [
    camelCase(name),
    value === "NaN" ? NaN : value,
  ]);
  return Object.fromEntries(entries);
}

/** Whether a case is of a request that was made before. */
const asksTwice = ({ expect }) => "cached_tokens" in expect || "cached_tokens_min" in expect;

/** The request of a case as a function of its mode's options. */
function requestOf(engine, { operation, messages, prompt, repeat = 1 }) {
  if (operation === "complete") return (options) => engine.complete(prompt.repeat(repeat), options);
  if (typeof messages === "string")
    return (options) => engine.chat(messages.repeat(repeat), options);
  const repeated = (message) => ({ ...message, content: message.content.repeat(repeat) });
  const given = repeat === 1 ? messages : [...messages.slice(0, -1), repeated(messages.at(-1))];
  return (options) => engine.chat(given, options);
}

/** The calls that a stream's events add up to. */
function callsOf(events) {
  const calls = [];
  for (const event of events) {
    if (event.type !== "toolCall") continue;
    calls[event.index] ??= { id: event.id, name: event.name, arguments: "" };
    calls[event.index].arguments += event.arguments;
  }
  return calls;
}

const MODES = {
  reply: (request, options) => request(options),
  /** The stream's events as the reply that they tell. */
  async stream(request, options) {
    const events = await collected(request({ ...options, stream: true }));
    const terminal = events.filter(({ type }) => type === "finished");
    assert.equal(terminal.length, 1, "exactly one terminal event");
    assert.equal(events.at(-1), terminal[0], "the terminal event is the last");
    const logprobs = events.flatMap((event) => event.logprobs ?? []);
    return {
      text: textOf(events),
      toolCalls: callsOf(events),
      finishReason: terminal[0].reason,
      usage: terminal[0].usage,
      logprobs,
    };
  },
};

function assertReply(reply, expect) {
  const { text, toolCalls, finishReason, usage, logprobs } = reply;
  if ("finish_reason" in expect) assert.equal(finishReason, expect.finish_reason);
  if ("completion_tokens" in expect) assert.equal(usage.completionTokens, expect.completion_tokens);
  const { cachedTokens, cache } = usage;
  if ("cached_tokens" in expect) assert.equal(cachedTokens, expect.cached_tokens);
  if ("cached_tokens_min" in expect)
    assert.ok(cachedTokens >= expect.cached_tokens_min, `${cachedTokens} tokens were cached`);
  assert.equal(cache !== null, cachedTokens > 0, `${cachedTokens} tokens were cached, in ${cache}`);
  if ("prompt_tokens" in expect) assert.equal(usage.promptTokens, expect.prompt_tokens);
  if ("text" in expect) assert.equal(text, expect.text);
  if ("text_starts_with" in expect) assert.ok(text.startsWith(expect.text_starts_with), text);
  for (const excluded of expect.text_excludes ?? []) assert.ok(!text.includes(excluded), text);
  if (expect.text_not_empty) assert.ok(text.length > 0);
  if ("tool_calls" in expect) {
    const calls = toolCalls.map((call) => ({
      name: call.name,
      arguments: JSON.parse(call.arguments),
    }));
    assert.deepEqual(calls, expect.tool_calls);
    assert.ok(toolCalls.every(({ id }) => id.startsWith("call_")));
    assert.equal(new Set(toolCalls.map(({ id }) => id)).size, toolCalls.length);
  }
  if (expect.logprobs) {
    assert.equal(logprobs.length, usage.completionTokens);
    assert.ok(logprobs.every(({ logprob }) => logprob <= 0));
  }
}

function assertError(error, expected) {
  assert.ok(error instanceof IndwellError, error.stack);
  assert.equal(error.code, expected.kind, error.message);
  if ("field" in expected) assert.equal(error.field, camelCase(expected.field), error.message);
  if ("value" in expected) assert.equal(error.value, expected.value);
  if ("limit" in expected) assert.equal(error.limit, camelCase(expected.limit));
  for (const part of expected.message_contains ?? []) {
    const spellings = [part, camelCase(part)];
    assert.ok(
      spellings.some((words) => error.message.includes(words)),
      error.message,
    );
  }
  if (expected.remedy !== false) assert.ok(error.remedy, error.message);
}

describe("conformance", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, { contextTokens: 2048 });
  });
  after(() => engine.close());

  async function run(operation, { expect }) {
    if (expect.error === undefined) return assertReply(await operation(), expect);
    const error = await operation().then(
      () => assert.fail("did not fail"),
      (error) => error,
    );
    assertError(error, expect.error);
    assert.ok(await engine.chat("Hello", { maxTokens: 1 }), "the engine serves on");
  }

  async function load({ model, ...rest }) {
    const source = model.replace("{files}", FILES).replace("{model}", engine.model.path);
    const loaded = await Engine.load(source, optionsOf(rest));
    await loaded.close();
  }

  const files = readdirSync(new URL("cases/", FOLDER)).filter((name) => name.endsWith(".json"));
  for (const file of files) {
    const cases = JSON.parse(readFileSync(new URL(`cases/${file}`, FOLDER), "utf8"));
    for (const each of cases) {
      if (each.operation === "load") {
        it(each.name, () =>
          each.expect.error === undefined ? load(each) : run(() => load(each), each),
        );
        continue;
      }
      for (const mode of each.modes ?? ["reply", "stream"]) {
        it(`${each.name} (${mode})`, async () => {
          const [request, options] = [requestOf(engine, each), optionsOf(each)];
          // Each mode computes its answer, unless the case asks twice.
          await engine.invalidateResponses();
          if (asksTwice(each)) await request(options);
          await run(() => MODES[mode](request, options), each);
        });
      }
    }
  }
});
