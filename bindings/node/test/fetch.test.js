/**
 * `engine.fetch`: the platform's own, but that it is the engine who answers.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, before, describe, it } from "node:test";

import { Engine } from "indwell";

import { COMPUTING, MODEL, idle, until } from "../testing/fixture.js";
import { CLEAN, run } from "../testing/program.js";

const URL_OF_CHATS = "http://localhost/v1/chat/completions";
const MESSAGES = [{ role: "user", content: "Tell me a story." }];

/** A request for an answer that is long, and never the end of it by itself. */
const LONG = { messages: MESSAGES, max_tokens: 400, ignore_eos: true, seed: 1 };

const post = (body, init) => ({
  method: "POST",
  headers: { "content-type": "application/json", authorization: "Bearer -" },
  body: JSON.stringify(body),
  ...init,
});

/** The events of a stream of server-sent ones, without their frames. */
const eventsOf = (text) =>
  text.split("\n\n").flatMap((frame) => (frame.startsWith("data: ") ? frame.slice(6) : []));

describe("fetch", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  let fetch;
  before(async () => {
    engine = await Engine.load(MODEL, { ...COMPUTING, contextTokens: 2048, streamCapacity: 8 });
    ({ fetch } = engine);
  });
  after(() => engine.close());

  const nothingRuns = () => until(() => idle(engine));

  it("gives a response of the platform's", async () => {
    const response = await fetch(URL_OF_CHATS, post({ messages: MESSAGES, max_tokens: 4 }));
    assert.ok(response instanceof Response);
    assert.deepEqual([response.ok, response.status], [true, 200]);
    assert.match(response.headers.get("content-type"), /^application\/json/);
    assert.match(response.headers.get("x-request-id"), /^req_/);
    assert.equal(response.bodyUsed, false);
    const answer = await response.json();
    assert.equal(answer.usage.completion_tokens, 4);
    assert.equal(response.bodyUsed, true);
  });

  it("takes whatever the platform's takes", async () => {
    const asked = post({ messages: MESSAGES, max_tokens: 1 });
    const bytes = new TextEncoder().encode(asked.body);
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes.slice(0, 10));
        controller.enqueue(bytes.slice(10));
        controller.close();
      },
    });
    for (const [input, init] of [
      [new URL(URL_OF_CHATS), asked],
      [new Request(URL_OF_CHATS, asked), undefined],
      [new Request(URL_OF_CHATS, { method: "PUT", body: "x" }), asked],
      ["/v1/chat/completions", asked],
      ["https://api.openai.com/chat/completions?x=1", { ...asked, headers: new Headers() }],
      [URL_OF_CHATS, { ...asked, body: bytes }],
      [URL_OF_CHATS, { ...asked, body: bytes.buffer }],
      [URL_OF_CHATS, { ...asked, body: new Blob([bytes]) }],
      [URL_OF_CHATS, { ...asked, body: stream, duplex: "half" }],
      [URL_OF_CHATS, { ...asked, signal: null }],
    ]) {
      const response = await fetch(input, init);
      assert.equal(response.status, 200, await response.clone().text());
      assert.equal((await response.json()).object, "chat.completion");
    }
    const models = await fetch("http://localhost/v1/models");
    assert.equal((await models.json()).data.length, 1);
  });

  it("answers what is wrong with a status, and goes on", async () => {
    for (const [path, init, status] of [
      ["/v1/nothing", undefined, 404],
      ["/v1/chat/completions", undefined, 405],
      ["/v1/chat/completions", post({}), 400],
      ["/v1/chat/completions", { method: "POST", body: "{" }, 400],
      ["/v1/chat/completions", { method: "POST", body: Uint8Array.of(0xff, 0xfe) }, 400],
      ["/v1/chat/completions", post({ messages: MESSAGES, max_tokens: 0 }), 400],
      ["/v1/chat/completions", post({ messages: MESSAGES, stream: true, top_p: 7 }), 400],
      ["/v1/embeddings", post({ input: "x" }), 400],
    ]) {
      const response = await fetch(path, init);
      const body = await response.text();
      assert.equal(response.status, status, body);
      assert.equal(typeof JSON.parse(body).error.message, "string");
    }
    await assert.rejects(fetch("http://"), TypeError);
    await assert.rejects(fetch("/v1/models", { method: "no method" }), TypeError);
    await assert.rejects(fetch("/v1/models", { body: "x" }), TypeError);
    assert.equal((await fetch("/v1/models")).status, 200);
  });

  it("streams events as they come", async () => {
    const asked = { messages: MESSAGES, max_tokens: 24, temperature: 0 };
    const response = await fetch(URL_OF_CHATS, post({ ...asked, stream: true }));
    assert.match(response.headers.get("content-type"), /^text\/event-stream/);
    let [text, pieces] = ["", 0];
    const decoder = new TextDecoder();
    for await (const piece of response.body) {
      assert.ok(piece instanceof Uint8Array);
      text += decoder.decode(piece, { stream: true });
      pieces += 1;
    }
    assert.ok(pieces > 1);
    const events = eventsOf(text);
    assert.equal(events.at(-1), "[DONE]");
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event));
    const said = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    const whole = await fetch(URL_OF_CHATS, post(asked));
    assert.equal(said, (await whole.json()).choices[0].message.content);
  });

  it("pauses the request of who does not read", async () => {
    const response = await fetch(URL_OF_CHATS, post({ ...LONG, stream: true }));
    const reader = response.body.getReader();
    await reader.read();
    // It goes on until the stream is full, and stands still from then on beside others.
    let further;
    do {
      const before = engine.stats().completionTokens;
      const { usage } = await engine.complete("Once", { maxTokens: 4 });
      further = engine.stats().completionTokens - before - usage.completionTokens;
    } while (further > 0);
    assert.equal(engine.stats().requestsRunning, 1, "it is paused, not complete");
    await reader.cancel();
    await nothingRuns();
  });

  it("cancels the request of a body that is cancelled", async () => {
    const { requestsCancelled } = engine.stats();
    const response = await fetch(URL_OF_CHATS, post({ ...LONG, stream: true }));
    await response.body.cancel();
    await nothingRuns();
    const left = await fetch(URL_OF_CHATS, post({ ...LONG, stream: true }));
    for await (const _ of left.body) break;
    await nothingRuns();
    assert.equal(engine.stats().requestsCancelled, requestsCancelled + 2);
  });

  it("rejects with the signal's reason, before the answer", async () => {
    const { promptTokens } = engine.stats();
    const aborted = AbortSignal.abort();
    await assert.rejects(fetch(URL_OF_CHATS, post(LONG, { signal: aborted })), {
      name: "AbortError",
      code: DOMException.ABORT_ERR,
    });
    assert.equal(engine.stats().promptTokens, promptTokens, "no request was made");

    const controller = new AbortController();
    const { signal } = controller;
    const waiting = fetch(URL_OF_CHATS, post(LONG, { signal }));
    await until(() => engine.stats().requestsRunning === 1);
    const reason = new Error("mine");
    controller.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    await nothingRuns();
    assert.equal(getEventListeners(signal, "abort").length, 0);

    const late = fetch(URL_OF_CHATS, post(LONG, { signal: AbortSignal.timeout(50) }));
    await assert.rejects(late, { name: "TimeoutError" });
    const request = new Request(URL_OF_CHATS, post(LONG, { signal: AbortSignal.abort() }));
    await assert.rejects(fetch(request), { name: "AbortError" });
    await nothingRuns();
  });

  it("fails the body with the signal's reason, in the middle of it", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const response = await fetch(URL_OF_CHATS, post({ ...LONG, stream: true }, { signal }));
    const reader = response.body.getReader();
    assert.equal((await reader.read()).done, false);
    const reads = [reader.read(), reader.read(), reader.read()];
    controller.abort();
    const outcomes = await Promise.allSettled(reads);
    assert.deepEqual(outcomes.at(-1).reason?.name, "AbortError");
    await assert.rejects(reader.read(), { name: "AbortError" });
    await nothingRuns();
    assert.equal(getEventListeners(signal, "abort").length, 0);

    const other = new AbortController();
    const unread = await fetch(
      URL_OF_CHATS,
      post({ ...LONG, stream: true }, { signal: other.signal }),
    );
    other.abort();
    await assert.rejects(unread.text(), { name: "AbortError" });
    await nothingRuns();
  });

  it("leaves a complete body alone when its signal aborts", async () => {
    const controller = new AbortController();
    const asked = post({ messages: MESSAGES, max_tokens: 2 }, { signal: controller.signal });
    const response = await fetch(URL_OF_CHATS, asked);
    controller.abort();
    assert.equal((await response.json()).usage.completion_tokens, 2);
  });

  it("shares a signal among many, with one listener", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const asked = Array.from({ length: 20 }, () => fetch(URL_OF_CHATS, post(LONG, { signal })));
    const outcomes = Promise.allSettled(asked);
    await until(() => getEventListeners(signal, "abort").length === 1);
    controller.abort();
    for (const { reason } of await outcomes) assert.equal(reason?.name, "AbortError");
    await nothingRuns();
  });

  it("counts what it did, for Prometheus", async () => {
    const text = engine.metricsText();
    assert.match(text, /^# TYPE \S*num_requests_running gauge$/m);
    assert.match(text, /num_requests_running\{.*\} 0$/m);
    assert.match(text, /time_to_first_token_seconds_count\{.*\} [1-9]/);
  });

  it("is bound, and read only", async () => {
    const { status } = await fetch.call(undefined, "/v1/models");
    assert.equal(status, 200);
    assert.throws(() => {
      engine.fetch = () => {};
    }, TypeError);
  });
});

it("cancels the request of a response that is lost", async () => {
  const lost = await run(
    `
    const engine = await Engine.load(MODEL, SMALL);
    const { signal } = new AbortController();
    const body = JSON.stringify({ prompt: "Once", max_tokens: 400, ignore_eos: true, stream: true });
    await (async () => {
      const response = await engine.fetch("/v1/completions", { method: "POST", body, signal });
      await response.body.getReader().read();
    })();
    const { getEventListeners } = require("node:events");
    for (let looks = 0; engine.stats().requestsRunning > 0; looks++) {
      if (looks > 1000) throw new Error("still running");
      await new Promise(setImmediate);
      gc();
    }
    for (let looks = 0; getEventListeners(signal, "abort").length > 0; looks++) {
      if (looks > 1000) throw new Error("still listening");
      await new Promise(setImmediate);
      gc();
    }
    console.log(engine.stats().requestsCancelled);
  `,
    ["--expose-gc"],
  );
  assert.deepEqual(lost, { ...CLEAN, out: "1\n" });
});

it("keeps a process alive that waits for it, and no other", async () => {
  const asked = `{ method: "POST", body: JSON.stringify({ prompt: "Once", max_tokens: 12, ignore_eos: true, stream: true }) }`;
  const waiting = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    engine.fetch("/v1/completions", ${asked}).then((response) => response.text()).then((text) => console.log(text.includes("[DONE]")));
  `);
  assert.deepEqual(waiting, { ...CLEAN, out: "true\n" });
  const unread = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    globalThis.kept = await engine.fetch("/v1/completions", ${asked});
    console.log(kept.status);
  `);
  assert.deepEqual(unread, { ...CLEAN, out: "200\n" });
  const exiting = await run(`
    const engine = await Engine.load(MODEL, SMALL);
    for (let index = 0; index < 4; index++) engine.fetch("/v1/completions", ${asked}).then((response) => response.text());
    while (engine.stats().requestsRunning === 0) await new Promise(setImmediate);
    process.exit(0);
  `);
  assert.deepEqual(exiting, { ...CLEAN, out: "" });
});
