/**
 * OpenAI's client for Node, as it is, over HTTP to `indwell serve`: the same as in process.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";

import { SKIP } from "../../testing/clients.js";
import { MODEL } from "../../testing/fixture.js";

const PROGRAM = process.env.INDWELL_PROGRAM;
const WHY = SKIP || (!PROGRAM && "INDWELL_PROGRAM names no program to serve with");

describe("OpenAI's client over HTTP", { skip: WHY }, async () => {
  if (WHY) return;
  const { default: OpenAI } = await import("openai");
  const { openaiTests } = await import("../../testing/openai.js");

  /** @type {import("node:child_process").ChildProcess} */
  let server;
  let base;
  let client;
  before(async () => {
    const options = ["--port", "0", "--context-tokens", "4096", "--response-cache-bytes", "0"];
    server = spawn(PROGRAM, ["serve", MODEL, ...options], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(createInterface(server.stdout), "line");
    [base] = line.match(/http:\S+/);
    client = new OpenAI({ baseURL: base, apiKey: "-" });
  });
  after(async () => {
    if (server.exitCode === null) {
      server.kill("SIGTERM");
      await once(server, "exit");
    }
  });

  /** Waits until nothing runs and nothing waits. The deadline is for hangs only. */
  async function idle() {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const metrics = await (await fetch(new URL("/metrics", base))).text();
      const counts = [...metrics.matchAll(/num_requests_(?:running|waiting)\{.*\} (\d+)$/gm)];
      assert.equal(counts.length, 2, metrics);
      if (counts.every(([, count]) => Number(count) === 0)) return;
      assert.ok(performance.now() < deadline, metrics);
    }
  }

  openaiTests({ client: () => client, idle });

  it("ends with its program, cleanly", async () => {
    const exited = once(server, "exit");
    server.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null]);
  });
});
