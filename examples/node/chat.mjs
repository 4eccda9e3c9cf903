// One question, one answer.
//
//     node chat.mjs [MODEL]

import { Engine } from "indwell";

const model = process.argv[2] ?? "smollm2-135m";
const engine = await Engine.load(model, { contextTokens: 4096 });
console.log(`${engine.model.name}: ${engine.model.description}`);

const reply = await engine.chat(
  [
    { role: "system", content: "You answer in one sentence." },
    { role: "user", content: "Name the capital of France." },
  ],
  { maxTokens: 32 },
);
console.log(reply.text);
console.log(
  `${reply.usage.promptTokens} prompt tokens, ${reply.usage.completionTokens} completion tokens, ` +
    `finished: ${reply.finishReason}, first token after ${reply.timings.ttftMs.toFixed(0)} ms`,
);

await engine.close();
