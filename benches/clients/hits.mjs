/**
 * The Node client of `response_cache`; `hits.rs` says what it does.
 */
import { createInterface } from "node:readline";

import { Engine } from "../../bindings/node/index.js";

const elapsedNs = (started) => Math.round((performance.now() - started) * 1e6);

async function timed({ warm_up, hits }, ask) {
  const first = await ask();
  for (let at = 0; at < warm_up; at += 1) await ask();
  const hitNs = [];
  for (let at = 0; at < hits; at += 1) {
    const started = performance.now();
    const reply = await ask();
    hitNs.push(elapsedNs(started));
    if (reply.usage.cache !== "response" || reply.text !== first.text) {
      throw new Error(`it was computed, or another answer: ${JSON.stringify(reply)}`);
    }
  }
  const clock = Array.from({ length: hits }, () => elapsedNs(performance.now()));
  const { promptTokens, completionTokens } = first.usage;
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, clock_ns: clock, hit_ns: hitNs };
}

const [model, contextTokens, threads] = process.argv.slice(2);
const options = { contextTokens: Number(contextTokens) };
if (threads !== "0") options.threads = Number(threads);
const engine = await Engine.load(model, options);
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  const { text, max_tokens: maxTokens } = task;
  const ask = task.form === "chat" ? () => engine.chat(text, { maxTokens }) : () => engine.complete(text, { maxTokens });
  console.log(JSON.stringify(await timed(task, ask)));
}
await engine.close();
