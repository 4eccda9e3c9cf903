// Many promises, one engine: it batches them, so it takes far fewer steps than tokens. The event
// loop stays free meanwhile.
//
//     node concurrent.mjs [MODEL]

import { Engine } from "indwell";

const model = process.argv[2] ?? "smollm2-135m";
const engine = await Engine.load(model);

let ticks = 0;
const timer = setInterval(() => ticks++, 10);
const starts = [10, 20, 30, 40, 50, 60, 70, 80];
const replies = await Promise.all(
  starts.map((n) => engine.complete(`${n}, ${n + 1}, ${n + 2},`, { maxTokens: 24 })),
);
clearInterval(timer);

for (const { text } of replies) console.log(text.split(/\s+/).join(" ").trim());
const stats = engine.stats();
console.log(`a timer ticked ${ticks} times meanwhile`);
console.log(`${stats.completionTokens} tokens in ${stats.steps} steps`);

await engine.close();
