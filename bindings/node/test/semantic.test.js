/**
 * Semantic mode: whose answers are served, what becomes of functions that fail, and how processes
 * and workers end in the middle of one.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";

import { Engine } from "indwell";

import { MODEL, collected, idle, loaded, refused, textOf, until } from "../testing/fixture.js";
import { CLEAN, run, worker } from "../testing/program.js";

/** How often each letter occurs: near for texts of the same words, whatever their order. */
function letters(text) {
  const counts = new Array(26).fill(0);
  for (const [letter] of text.toLowerCase().matchAll(/[a-z]/g)) counts[letter.charCodeAt() - 97]++;
  return counts;
}

/** The words of a text, whatever their order. */
const words = (text) => text.toLowerCase().match(/\w+/g).sort().join(" ");

/** Resolves never, and keeps nothing alive. */
const never = () => new Promise(() => {});

/** Something to wait for, and how it comes. */
function moment() {
  let come;
  const comes = new Promise((resolve) => (come = resolve));
  return { come, comes };
}

describe("semantic mode", () => {
  /** @type {import("indwell").Engine} */
  let engine;
  before(async () => {
    engine = await Engine.load(MODEL, { contextTokens: 4096 });
  });
  after(() => engine.close());

  /** Semantic mode that serves what has the same words, but for what the test changes. */
  function semantic(changes = {}) {
    return {
      distanceMax: 0.01,
      embed: letters,
      verify: ({ asked, found }) => words(asked) === words(found),
      timeoutMs: 30_000,
      ...changes,
    };
  }

  const ask = (prompt, options) => engine.complete(prompt, { maxTokens: 4, ...options });

  it("serves the answer to a question that means the same, if the verifier agrees", async () => {
    for (const [topic, embed] of [
      ["sky", letters],
      ["sea", async (text) => letters(text)],
      ["sun", (text) => Float32Array.from(letters(text))],
      ["ice", async (text) => Float64Array.from(letters(text))],
    ]) {
      const heard = [];
      const verify = (match) => {
        heard.push(match);
        return topic === "sea" ? Promise.resolve(true) : true;
      };
      const options = { semantic: semantic({ embed, verify }) };
      const [found, asked] = [`Is the ${topic} big today?`, `Today, is the ${topic} big?`];
      const first = await ask(found, options);
      assert.notEqual(first.usage.cache, "semantic", topic);
      const second = await ask(asked, options);
      assert.equal(second.usage.cache, "semantic", topic);
      assert.equal(second.usage.cachedTokens, second.usage.promptTokens);
      assert.equal(second.text, first.text);
      assert.equal(second.finishReason, first.finishReason);
      const [{ distance, ...match }] = heard;
      assert.equal(heard.length, 1);
      assert.deepEqual(match, { asked, found, answer: first.text });
      assert.ok(distance >= 0 && distance <= 0.01, `${distance}`);
      assert.equal(second.usage.semanticDistance, distance);
      const events = await collected(ask(`${asked} `, { ...options, stream: true }));
      assert.equal(events.at(-1).usage.cache, "semantic");
      assert.equal(textOf(events), first.text);
    }
    assert.equal(engine.caches().response.semanticHits, 8);
  });

  it("sees a chat as its messages, one a line", async () => {
    const heard = [];
    const embed = (text) => {
      heard.push(text);
      return letters(text);
    };
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Which is the tallest tree?" },
    ];
    const first = await engine.chat(messages, { maxTokens: 8, semantic: semantic({ embed }) });
    messages[1].content = "The tallest tree is which?";
    const second = await engine.chat(messages, { maxTokens: 8, semantic: semantic({ embed }) });
    assert.equal(second.usage.cache, "semantic");
    assert.equal(second.text, first.text);
    assert.deepEqual(heard, [
      "system: Be brief.\nuser: Which is the tallest tree?",
      "system: Be brief.\nuser: The tallest tree is which?",
    ]);
  });

  it("calls nothing for the same question, and for requests that take no part", async () => {
    let called = 0;
    const count = () => called++;
    const options = { semantic: semantic({ embed: count, verify: count }) };
    await ask("Is the moon old?");
    assert.equal((await ask("Is the moon old?", options)).usage.cache, "response");
    for (const other of [{ cache: "bypass" }, { cache: "refresh" }, { temperature: 1 }])
      await ask("Old is the moon?", { ...options, ...other });
    assert.equal(called, 0);
  });

  it("does not ask the verifier about what is far", async () => {
    let verified = 0;
    const embed = (text) => [text.startsWith("Is"), text.startsWith("Far")].map(Number);
    const options = { semantic: semantic({ embed, verify: () => ++verified > 0 }) };
    await ask("Is this far?", options);
    assert.equal((await ask("Far is this?", options)).usage.cache === "semantic", false);
    assert.equal(verified, 0);
    const wide = { semantic: { ...options.semantic, distanceMax: 2 } };
    const { usage } = await ask("Far is that?", wide);
    assert.deepEqual([usage.cache, usage.semanticDistance, verified], ["semantic", 0, 1]);
  });

  it("counts as cached", async () => {
    const options = { semantic: semantic(), cache: "only_if_cached" };
    await assert.rejects(ask("Is the wood dry now?", options), { code: "not_cached" });
    const first = await ask("Is the wood dry now?", { semantic: semantic() });
    const second = await ask("Now, is the wood dry?", options);
    assert.equal(second.usage.cache, "semantic");
    assert.equal(second.text, first.text);
  });

  it("computes where the verifier declines, and where a function fails in any way", async () => {
    const thrown = new Error("mine");
    const untold = { toString: () => assert.fail("it has no text") };
    const failing = {
      throws: () => {
        throw thrown;
      },
      rejects: () => Promise.reject(thrown),
      "throws what has no text": () => {
        throw untold;
      },
      "gives nothing": () => undefined,
      "gives text": () => "yes",
    };
    const functions = [
      ["declines", { verify: () => false }],
      ["declines later", { verify: async () => false }],
      ["never verifies", { verify: never, timeoutMs: 1000 }],
      ["never embeds", { embed: never, timeoutMs: 1000 }],
      ["gives no numbers", { embed: () => [1, "2"] }],
      ["gives NaN", { embed: () => [1, NaN] }],
      ["gives no length", { embed: () => [] }],
      ["gives no direction", { embed: () => [0, 0] }],
      ...Object.entries(failing).flatMap(([how, fail]) => [
        [`embed ${how}`, { embed: fail }],
        [`verify ${how}`, { verify: fail }],
      ]),
    ];
    for (const [index, [how, changes]] of functions.entries()) {
      const called = [];
      const watched = Object.fromEntries(
        Object.entries(semantic(changes)).map(([name, value]) =>
          typeof value === "function"
            ? [name, (argument) => (called.push(name), value(argument))]
            : [name, value],
        ),
      );
      await ask(`Is number ${index} odd again?`, { semantic: semantic() });
      const reply = await ask(`Again, is number ${index} odd?`, { semantic: watched });
      assert.notEqual(reply.usage.cache, "semantic", how);
      assert.equal(reply.usage.semanticDistance, null, how);
      assert.ok(reply.usage.cachedTokens < reply.usage.promptTokens, how);
      assert.ok(called.includes(Object.keys(changes)[0]), `${how}: ${called}`);
    }
    // The functions that never settled hold up nobody.
    await ask("Is it late by now?", { semantic: semantic() });
    const late = await ask("By now, is it late?", { semantic: semantic() });
    assert.equal(late.usage.cache, "semantic");
  });

  it("serves many that ask at once", async () => {
    const seats = Array.from({ length: 40 }, (_, index) => index);
    const embed = async (text) => {
      await new Promise(setImmediate);
      return seats.map((seat) => Number(text.includes(` ${seat} `)));
    };
    const options = { semantic: semantic({ embed }) };
    const first = await Promise.all(seats.map((n) => ask(`Is seat ${n} free today?`, options)));
    const { semanticHits } = engine.caches().response;
    const again = await Promise.all(seats.map((n) => ask(`Today, is seat ${n} free?`, options)));
    for (const [seat, { text, usage }] of again.entries()) {
      assert.equal(usage.cache, "semantic");
      assert.equal(text, first[seat].text);
    }
    assert.equal(engine.caches().response.semanticHits, semanticHits + 40);
    await until(() => idle(engine));
  });

  it("cancels a request whose function does not answer", async () => {
    const { requestsCancelled } = engine.stats();
    for (const stream of [false, true]) {
      const controller = new AbortController();
      const begun = moment();
      const embed = () => (begun.come(), never());
      const request = ask("Will it end?", {
        semantic: semantic({ embed, timeoutMs: 200 }),
        signal: controller.signal,
        stream,
      });
      const outcome = stream ? collected(request) : request;
      const rejected = assert.rejects(outcome, { name: "AbortError", code: "cancelled" });
      await begun.comes;
      controller.abort();
      await rejected;
    }
    await until(() => engine.stats().requestsCancelled === requestsCancelled + 2);
    await until(() => idle(engine));
  });

  it("refuses what is no semantic mode", async () => {
    const good = semantic();
    for (const [given, field, value] of [
      [7, "semantic", "7"],
      [[], "semantic", "an array"],
      [{}, "semantic.distanceMax", "undefined"],
      [{ ...good, distanceMax: "near" }, "semantic.distanceMax", '"near"'],
      [{ ...good, distanceMax: -0.1 }, "semantic"],
      [{ ...good, distanceMax: 2.1 }, "semantic"],
      [{ ...good, distanceMax: NaN }, "semantic"],
      [{ ...good, embed: undefined }, "semantic.embed", "undefined"],
      [{ ...good, embed: "letters" }, "semantic.embed", '"letters"'],
      [{ ...good, verify: true }, "semantic.verify", "true"],
      [{ ...good, timeoutMs: 0 }, "semantic.timeoutMs", "0"],
      [{ ...good, timeoutMs: -1 }, "semantic.timeoutMs", "-1"],
      [{ ...good, timeoutMs: Infinity }, "semantic.timeoutMs", "Infinity"],
      [{ ...good, timeoutMs: "1 s" }, "semantic.timeoutMs", '"1 s"'],
      [{ ...good, distance: 1 }, "semantic.distance", "1"],
    ]) {
      const invalid = { code: "invalid_request", field, ...(value && { value }) };
      await refused(ask("Hello", { semantic: given }), invalid);
      await refused(ask("Hello", { semantic: given, stream: true }).next(), invalid);
    }
    const prefix = engine.cachePrefix("Hello", { semantic: good });
    await refused(prefix, { code: "invalid_request", field: "semantic" });
  });
});

it("ends requests in the middle of a function when their engine closes", async () => {
  const engine = await Engine.load(MODEL, { contextTokens: 512, sequencesMax: 1 });
  const begun = moment();
  const embed = () => (begun.come(), never());
  const semantic = { distanceMax: 0.1, embed, verify: never, timeoutMs: 60_000 };
  const rejected = assert.rejects(engine.complete("Once", { semantic }), { code: "engine_closed" });
  await begun.comes;
  await engine.close();
  await rejected;
});

const SEMANTIC = `
  const never = () => new Promise(() => {});
  const semantic = { distanceMax: 0.1, embed: never, verify: never, timeoutMs: 600_000 };
  const engine = await Engine.load(MODEL, { ...SMALL, responseCacheBytes: 2 ** 20 });
`;

it("exits cleanly in the middle of a function, and from within it", async () => {
  const waiting = await run(`${SEMANTIC}
    const embed = () => (setImmediate(() => process.exit(0)), never());
    await engine.complete("Once", { semantic: { ...semantic, embed } });
  `);
  assert.deepEqual(waiting, { ...CLEAN, out: "" });
  const within = await run(`${SEMANTIC}
    await engine.complete("Once", { semantic: { ...semantic, embed: () => process.exit(0) } });
  `);
  assert.deepEqual(within, { ...CLEAN, out: "" });
  const verifying = await run(`${SEMANTIC}
    const served = { ...semantic, embed: () => [1], verify: () => process.exit(0) };
    for (const prompt of ["Once", "Twice"])
      await engine.complete(prompt, { maxTokens: 2, semantic: served });
  `);
  assert.deepEqual(verifying, { ...CLEAN, out: "" });
});

it("ends by itself once nobody waits for a request, whatever its functions are at", async () => {
  const ended = await run(`${SEMANTIC}
    let embed;
    const begun = new Promise((begin) => (embed = () => (begin(), never())));
    globalThis.open = engine.complete("Once", { semantic: { ...semantic, embed }, stream: true });
    // Something to wait for, until the function runs.
    const timer = setTimeout(() => {}, 60_000);
    await begun;
    clearTimeout(timer);
    console.log("end");
  `);
  assert.deepEqual(ended, { ...CLEAN, out: "end\n" });
});

it("says nothing of what functions throw, and lets go of them when the request is over", async () => {
  const collectedThem = await run(
    `${SEMANTIC}
    let collected = 0;
    const registry = new FinalizationRegistry(() => collected++);
    await (async () => {
      const embed = () => { throw new Error("mine"); };
      const rejecting = () => Promise.reject(new Error("mine"));
      for (const each of [embed, rejecting, () => [1], () => [2]]) registry.register(each);
      await engine.complete("Once", { maxTokens: 2, semantic: { ...semantic, embed } });
      await engine.complete("Twice", { maxTokens: 2, semantic: { ...semantic, embed: rejecting } });
      engine.complete("Thrice", { semantic: { ...semantic, embed: () => [1] }, stream: true });
    })();
    for (let looks = 0; collected < 4; looks++) {
      if (looks > 1000) throw new Error("still there: " + collected);
      await new Promise(setImmediate);
      gc();
    }
    console.log("collected");
  `,
    ["--expose-gc"],
  );
  assert.deepEqual(collectedThem, { ...CLEAN, out: "collected\n" });
});

it("survives the termination of workers in the middle of a function", async (t) => {
  const engine = await loaded(t, { contextTokens: 1024 });
  for (const body of ["return never();", "for (;;);"]) {
    for (const name of ["embed", "verify"]) {
      const each = worker(`${SEMANTIC}
        const running = () => { parentPort.postMessage("ready"); ${body} };
        const functions = { ...semantic, embed: () => [1] };
        const ask = (prompt, semantic) => engine.complete(prompt, { maxTokens: 2, semantic });
        await ask("Once", functions);
        await ask("Twice", { ...functions, ${name}: running });
      `);
      await once(each, "message");
      assert.equal(await each.terminate(), 1);
      const { usage } = await engine.complete("Once", { maxTokens: 4 });
      assert.equal(usage.completionTokens, 4);
    }
  }
});
