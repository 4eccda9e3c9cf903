/**
 * Programs that run as processes and workers of their own, for tests of how these end.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

import { MODEL } from "./fixture.js";

const PREAMBLE = `
  const { Engine } = require("indwell");
  const MODEL = ${JSON.stringify(MODEL)};
  const SMALL = { contextTokens: 2048, sequencesMax: 4, responseCacheBytes: 0 };
  // Small enough that the engine runs four at once: it reserves what a request may need.
  const LONG = { maxTokens: 400, temperature: 1, seed: 1 };
  const STREAM = { ...LONG, stream: true };
`;

/** How a program ends that has nothing to say. */
export const CLEAN = { exitCode: 0, signal: null, err: "" };

/** Runs a program as a process of its own and gives how it ended. */
export async function run(program, flags = []) {
  const code = `${PREAMBLE} (async () => { ${program} })()`;
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const child = spawn(process.execPath, [...flags, "-e", code], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const hang = setTimeout(() => child.kill("SIGKILL"), 90_000);
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const [exitCode, signal] = await once(child, "close");
  clearTimeout(hang);
  return { exitCode, signal, out, err };
}

/** Starts a program as a worker; it has a `parentPort`. */
export function worker(program) {
  return new Worker(
    `const { parentPort } = require("node:worker_threads"); ${PREAMBLE} (async () => { ${program} })()`,
    { eval: true },
  );
}
