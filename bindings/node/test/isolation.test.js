/**
 * llama.cpp in a process of its own: it answers as ever, and what ends it ends nothing else.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { it } from "node:test";

import { loaded } from "../testing/fixture.js";

const SMALL = { contextTokens: 2048, isolation: "process" };
const skip = process.platform === "linux" ? false : "workers are found in /proc";

/** The processes below this one that compute. */
function workers() {
  const isWorker = (id) => {
    try {
      const [, name, parent] = /\((.*)\) \S+ (\d+)/s.exec(readFileSync(`/proc/${id}/stat`, "utf8"));
      return name === "indwell-worker" && Number(parent) === process.pid;
    } catch {
      return false; // It ended while it was looked at.
    }
  };
  return readdirSync("/proc").filter((id) => /^\d+$/.test(id) && isWorker(id)).map(Number);
}

it("replaces a worker that is killed in mid-stream", { skip }, async (t) => {
  const engine = await loaded(t, SMALL);
  const [worker, ...others] = workers();
  assert.deepEqual(others, []);
  const stream = engine.chat("Tell me a story.", { stream: true, maxTokens: 400, ignoreEos: true });
  assert.equal((await stream.next()).value.type, "text");
  process.kill(worker, "SIGKILL");
  await assert.rejects(
    async () => {
      for await (const event of stream) assert.notEqual(event.type, "finished");
    },
    { code: "engine_poisoned", message: /SIGKILL/ },
  );
  const reply = await engine.chat("Hello", { maxTokens: 4 });
  assert.equal(reply.usage.completionTokens, 4);
  assert.equal(engine.stats().restarts, 1);
  assert.equal(engine.closed, false);
  await engine.close();
  assert.deepEqual(workers(), []);
});

it("answers the same", { skip }, async (t) => {
  const options = { maxTokens: 16, temperature: 0.8, seed: 3 };
  const texts = [];
  for (const isolation of ["in_process", "process"]) {
    const engine = await loaded(t, { ...SMALL, isolation });
    texts.push((await engine.chat("Name a city.", options)).text);
    await engine.close();
  }
  assert.equal(texts[1], texts[0]);
});

it("knows no other isolation", async (t) => {
  await assert.rejects(loaded(t, { isolation: "thread" }), {
    code: "invalid_request",
    field: "isolation",
    limit: "in_process or process",
  });
});
