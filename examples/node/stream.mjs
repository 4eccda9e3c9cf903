// An answer as it comes. Leaving the loop early cancels the request.
//
//     node stream.mjs [MODEL]

import { Engine } from "indwell";

const model = process.argv[2] ?? "smollm2-135m";
const engine = await Engine.load(model);

const stream = engine.chat("Write a short poem about the sea.", {
  stream: true,
  maxTokens: 48,
  // Without these, answers are greedy: the likeliest token each time.
  temperature: 0.8,
  topP: 0.95,
  seed: 42,
});
for await (const event of stream) {
  if (event.type === "text") process.stdout.write(event.text);
  else console.log(`\n[${event.reason} after ${event.usage.completionTokens} tokens]`);
}

await engine.close();
