/**
 * Bad input: each a typed error that names the value, the limit and the remedy, in the caller's
 * spelling, with the engine serving on.
 */
import assert from "node:assert/strict";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";

import { Engine, IndwellError } from "indwell";

import { COMPUTING, MODEL, idle, refused, until } from "../testing/fixture.js";

describe("a model that cannot be loaded", () => {
  let folder;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "indwell-"));
  });
  after(() => rm(folder, { recursive: true }));

  async function refusedModel(model, value = model) {
    const error = await refused(Engine.load(model), { code: "model_load", field: "model" });
    assert.ok(error.value.includes(value), error.value);
    assert.ok(error.message.includes(value), error.message);
    return error;
  }

  it("is a missing file", async () => {
    const missing = join(folder, "missing.gguf");
    await refusedModel(missing);
    await refusedModel(pathToFileURL(missing), missing);
  });

  it("is a directory", () => refusedModel(folder));

  it("is an empty file", async () => {
    const path = join(folder, "empty.gguf");
    await writeFile(path, "");
    await refusedModel(path);
  });

  it("is a text file", async () => {
    const path = join(folder, "notes.gguf");
    await writeFile(path, "This is not a model.\n".repeat(1000));
    await refusedModel(path);
  });

  it("is a truncated GGUF", async () => {
    const whole = await Engine.load(MODEL, { contextTokens: 512, sequencesMax: 1 });
    await whole.close();
    const source = await open(whole.model.path);
    const { buffer } = await source.read(Buffer.alloc(4_000_000), 0, 4_000_000, 0);
    await source.close();
    for (const bytes of [3, 24, 1000, 4_000_000]) {
      const path = join(folder, `truncated-${bytes}.gguf`);
      await writeFile(path, buffer.subarray(0, bytes));
      await refusedModel(path);
    }
  });

  it("is an unknown alias", async () => {
    const error = await refusedModel("smollm3-1t");
    assert.match(
      `${error.message} ${error.remedy}`,
      /smollm2-135m/,
      "the remedy lists what there is",
    );
  });

  it("is no text, or text that is no UTF-8", async () => {
    await refused(Engine.load(), { code: "invalid_request", field: "model", value: "undefined" });
    await refused(Engine.load(7), { code: "invalid_request", field: "model", value: "7" });
    await refused(Engine.load("model-\ud800.gguf"), { code: "invalid_request", field: "model" });
    await refused(Engine.load(new URL("https://example.com/a.gguf")), {
      code: "invalid_request",
      field: "model",
    });
    await assert.rejects(Engine.load("model\0.gguf"), IndwellError);
  });

  it("has options that are unknown or out of range", async () => {
    const unknown = await refused(Engine.load(MODEL, { contextToken: 512 }), {
      code: "invalid_request",
      field: "contextToken",
    });
    assert.match(unknown.remedy, /contextTokens/);
    for (const [name, value, shown] of [
      ["contextTokens", 0, "0"],
      ["contextTokens", -5, "-5"],
      ["sequencesMax", 1.5, "1.5"],
      ["batchTokens", "many", '"many"'],
      ["flashAttention", 1, "1"],
      ["threads", Infinity, "inf"],
    ]) {
      await refused(Engine.load(MODEL, { [name]: value }), {
        code: "invalid_request",
        field: name,
        value: shown,
      });
    }
    await refused(Engine.load(MODEL, { onProgress: "loud" }), {
      code: "invalid_request",
      field: "onProgress",
    });
    await refused(Engine.load(MODEL, null), { code: "invalid_request", field: "options" });
  });
});

describe("a request that cannot be served", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, {
      ...COMPUTING,
      contextTokens: 1024,
      sequencesMax: 2,
      queueRequestsMax: 2,
    });
  });
  after(() => engine.close());

  /** The same refusal for a reply, a stream and a completion, after which the engine serves on. */
  async function refusedRequest(options, expected) {
    const error = await refused(engine.chat("Hello", options), expected);
    await refused(engine.chat("Hello", { ...options, stream: true }).next(), expected);
    await refused(engine.complete("Hello", options), expected);
    const reply = await engine.complete("Hello", { maxTokens: 1 });
    assert.equal(reply.usage.completionTokens, 1);
    return error;
  }

  it("asks for no tokens", async () => {
    for (const [value, shown] of [
      [0, "0"],
      [-1, "-1"],
      [-(2 ** 40), String(-(2 ** 40))],
      [0n, "0"],
    ]) {
      await refusedRequest(
        { maxTokens: value },
        { code: "invalid_request", field: "maxTokens", value: shown },
      );
    }
  });

  it("has values out of range", async () => {
    for (const [name, value, shown] of [
      ["temperature", NaN, "NaN"],
      ["temperature", -0.5, "-0.5"],
      ["temperature", Infinity, "inf"],
      ["topP", 0, "0"],
      ["topP", 1.5, "1.5"],
      ["minP", -0.1, "-0.1"],
      ["topK", -1, "-1"],
      ["seed", -1, "-1"],
      ["seed", 4294967295, "4294967295"],
      ["timeoutMs", 0, "0"],
      ["timeoutMs", -1, "-1"],
      ["cacheTtlMs", 0, "0"],
      ["cacheTtlMs", -1, "-1"],
      ["cacheTtlMs", NaN, "NaN"],
      ["cacheTtlMs", Infinity, "inf"],
    ]) {
      await refusedRequest(
        { [name]: value },
        { code: "invalid_request", field: name, value: shown },
      );
    }
  });

  it("has values of another type", async () => {
    for (const [name, value, shown] of [
      ["maxTokens", "ten", '"ten"'],
      ["maxTokens", 1.5, "1.5"],
      ["maxTokens", true, "true"],
      ["temperature", "hot", '"hot"'],
      ["logprobs", 1, "1"],
      ["stop", 5, "5"],
    ]) {
      await refusedRequest(
        { [name]: value },
        { code: "invalid_request", field: name, value: shown },
      );
    }
    for (const [name, value, field, shown] of [
      ["temperature", { degrees: 1 }, "temperature", "an object of 1 fields"],
      ["stop", [{}], "stop", "an object of 0 fields"],
      ["stop", ["a", ["b"]], "stop", "a list of 1"],
      ["stop", [{ text: () => 5 }], "stop[0].text", "a function"],
      ["seed", Symbol("seed"), "seed", "Symbol(seed)"],
      ["maxTokens", () => 5, "maxTokens", "a function"],
      ["maxTokens", 2n ** 63n, "maxTokens", "9223372036854775808n"],
      ["signal", {}, "signal", "an object"],
    ]) {
      await refusedRequest({ [name]: value }, { code: "invalid_request", field, value: shown });
    }
  });

  it("has an unknown option", async () => {
    const near = await refusedRequest(
      { temprature: 1 },
      { code: "invalid_request", field: "temprature", value: "1" },
    );
    assert.match(near.remedy, /temperature/);
    const camel = await refusedRequest(
      { maxToken: 5 },
      { code: "invalid_request", field: "maxToken" },
    );
    assert.match(camel.remedy, /maxTokens/);
    // Every name that the runtime lists is in the caller's spelling: lib/names.cjs knows them all.
    assert.match(camel.limit, /maxTokens.*timeoutMs/);
    assert.match(camel.limit, /parseSpecial/);
    await assert.rejects(engine.chat("Hello", { max_tokens: 5 }), {
      code: "invalid_request",
      field: "max_tokens",
      remedy: "write maxTokens",
    });
  });

  it("has a stop string that is empty, or too many", async () => {
    await refusedRequest({ stop: "" }, { code: "invalid_request", field: "stop", value: '""' });
    await refusedRequest({ stop: ["ok", ""] }, { code: "invalid_request", field: "stop" });
    await refusedRequest(
      { stop: Array.from({ length: 65 }, (_, index) => `${index}`) },
      { code: "invalid_request", field: "stop" },
    );
  });

  it("has text that is no UTF-8", async () => {
    const lone = "half a pair: \ud83d";
    await refused(engine.chat(lone), { code: "invalid_request", field: "messages" });
    await refused(engine.chat(lone, { stream: true }).next(), {
      code: "invalid_request",
      field: "messages",
    });
    await refused(engine.chat([{ role: "user", content: lone }]), {
      code: "invalid_request",
      field: "messages[0].content",
    });
    await refused(engine.complete(lone), { code: "invalid_request", field: "prompt" });
    await refused(engine.complete("Hello", { stop: ["\udc00"] }), {
      code: "invalid_request",
      field: "stop[0]",
    });
    assert.ok(await engine.complete("A whole pair: \ud83e\udd99", { maxTokens: 1 }));
  });

  it("has nothing to answer", async () => {
    await refused(engine.chat([]), { code: "invalid_request" });
    await refused(engine.chat([], { stream: true }).next(), { code: "invalid_request" });
    await refused(engine.complete(""), { code: "invalid_request", field: "prompt" });
    await refused(engine.complete("", { stream: true }).next(), {
      code: "invalid_request",
      field: "prompt",
    });
  });

  it("has messages that are none", async () => {
    await refused(engine.chat(), {
      code: "invalid_request",
      field: "messages",
      value: "undefined",
    });
    await refused(engine.chat({ role: "user", content: "x" }), {
      code: "invalid_request",
      field: "messages",
    });
    await refused(engine.chat(["x"]), {
      code: "invalid_request",
      field: "messages[0]",
      value: '"x"',
    });
    await refused(engine.chat([{ role: "user" }]), {
      code: "invalid_request",
      field: "messages[0].content",
      value: "missing",
    });
    await refused(engine.chat([{ role: "user", content: "x", mood: "y" }]), {
      code: "invalid_request",
      field: "messages[0].mood",
    });
    await refused(
      engine.chat([
        { role: "user", content: "x" },
        { role: "narrator", content: "x" },
      ]),
      { code: "invalid_request", field: "messages[1].role", value: '"narrator"' },
    );
    await refused(engine.complete(["x"]), {
      code: "invalid_request",
      field: "prompt",
      value: "an array",
    });
    await refused(engine.chat("x", "fast"), {
      code: "invalid_request",
      field: "options",
      value: '"fast"',
    });
    await refused(engine.chat("x", { stream: "yes" }), {
      code: "invalid_request",
      field: "stream",
      value: '"yes"',
    });
  });

  it("is longer than the context", async () => {
    const long = "word ".repeat(3000);
    const error = await refused(engine.complete(long), { code: "context_overflow" });
    assert.match(error.limit, /1023/);
    await refused(engine.chat(long, { stream: true }).next(), { code: "context_overflow" });
  });

  it("comes when the queue is full", async () => {
    const controller = new AbortController();
    const options = { maxTokens: 500, temperature: 1, seed: 1, signal: controller.signal };
    const outcomes = Array.from({ length: 12 }, () =>
      engine.complete("Once", options).then(
        () => "done",
        (error) => error,
      ),
    );
    const overloaded = await Promise.race(outcomes);
    assert.equal(overloaded.code, "overloaded");
    assert.ok(overloaded.retryAfterMs > 0);
    assert.equal(typeof overloaded.limit, "string");
    controller.abort();
    await Promise.all(outcomes);
    await until(() => idle(engine));
  });

  it("tells where it was called", async () => {
    async function caller() {
      return engine.chat("Hello", { maxTokens: 0 });
    }
    await assert.rejects(caller(), ({ stack }) => {
      const [head, first] = stack.split("\n");
      assert.match(head, /^IndwellError: maxTokens is 0/);
      assert.match(first, /caller.*bad-input\.test\.js/);
      return true;
    });
    function streamer() {
      return engine.chat("Hello", { maxTokens: 0, stream: true });
    }
    await assert.rejects(streamer().next(), ({ stack }) =>
      /streamer.*bad-input\.test\.js/.test(stack),
    );
    await assert.rejects(Engine.load("no-such-model"), ({ stack }) =>
      /bad-input\.test\.js/.test(stack.split("\n")[1]),
    );
  });
});
