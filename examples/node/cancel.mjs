// Three ways to end a request early: a signal, leaving the loop, and a deadline.
//
//     node cancel.mjs [MODEL]

import { Engine, IndwellError } from "indwell";

const model = process.argv[2] ?? "smollm2-135m";
const engine = await Engine.load(model);
const story = "Tell me a very long story.";

// A signal, as for `fetch`.
const controller = new AbortController();
try {
  let texts = 0;
  const options = { stream: true, maxTokens: 2000, signal: controller.signal };
  for await (const event of engine.chat(story, options)) {
    if (event.type === "text" && ++texts === 3) controller.abort();
  }
} catch (error) {
  if (!(error instanceof IndwellError)) throw error;
  console.log(`${error.name}: ${error.code}`);
}

// Whoever leaves the loop need do nothing else.
for await (const event of engine.chat(story, { stream: true, maxTokens: 2000 })) {
  console.log(`left at ${event.type}`);
  break;
}

// A deadline of the request's own, time in the queue included.
try {
  await engine.chat(story, { maxTokens: 2000, timeoutMs: 50 });
} catch (error) {
  if (!(error instanceof IndwellError)) throw error;
  console.log(`${error.code}: ${error.remedy}`);
}

// The engine serves on.
const reply = await engine.chat("Say hello.", { maxTokens: 4 });
console.log(`still there: ${reply.text.trim()}`);

await engine.close();
