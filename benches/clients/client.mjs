/**
 * The Node client of `binding_cost`; `src/client.rs` says what a client does.
 */
import { createInterface } from "node:readline";

import { Engine } from "../../bindings/node/index.js";

async function read(engine, prompt, maxTokens) {
  let events = 0;
  for await (const event of engine.complete(prompt, { stream: true, maxTokens })) {
    if (event.type === "text") events += 1;
    else return { tokens: event.usage.completionTokens, events };
  }
}

const [model, contextTokens, threads] = process.argv.slice(2);
const options = { contextTokens: Number(contextTokens), responseCacheBytes: 0 };
if (threads !== "0") options.threads = Number(threads);
const engine = await Engine.load(model, options);
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [maxTokens, ...prompts] = line.split("\t");
  const started = performance.now();
  const counts = await Promise.all(prompts.map((prompt) => read(engine, prompt, Number(maxTokens))));
  const seconds = (performance.now() - started) / 1000;
  const sum = (key) => counts.reduce((total, count) => total + count[key], 0);
  console.log(JSON.stringify({ tokens: sum("tokens"), events: sum("events"), seconds }));
}
await engine.close();
