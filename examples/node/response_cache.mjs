// The same question twice: the second answer is there at once. And a question that means the same,
// where the program says what that is.
//
//     node response_cache.mjs [MODEL]

import { Engine, IndwellError } from "indwell";

const model = process.argv[2] ?? "smollm2-135m";
const engine = await Engine.load(model);

async function ask(question, options) {
  const start = performance.now();
  const { text, usage } = await engine.chat(question, { maxTokens: 24, ...options });
  const ms = (performance.now() - start).toFixed(1);
  const isStored = usage.cache === "response" || usage.cache === "semantic";
  console.log(`${question} ${text.split(/\s+/).join(" ").trim()}`);
  console.log(`  ${isStored ? usage.cache : "computed"} in ${ms} ms`);
}

// Greedy answers are kept, and sampled ones whose seed is given. In other words: those that would be
// the same again.
await ask("What is a llama?");
await ask("What is a llama?");
await ask("What is a llama?", { cache: "refresh" });

// Only what is there already.
try {
  await ask("What is an alpaca?", { cache: "only_if_cached" });
} catch (error) {
  if (!(error instanceof IndwellError)) throw error;
  console.log(`${error.code}: ${error.remedy}`);
}

// An embedding model does this better: here a text is how often it has each letter.
function embed(text) {
  const counts = new Float32Array(26);
  for (const [letter] of text.toLowerCase().matchAll(/[a-z]/g)) counts[letter.charCodeAt(0) - 97]++;
  return counts;
}

// Near is not the same: "is it allowed" and "is it not allowed" are neighbours everywhere. So
// somebody reads both questions. Here they must have the same words.
const words = (text) => text.toLowerCase().match(/\w+/g).sort().join(" ");
const verify = ({ asked, found }) => words(asked) === words(found);

const semantic = { distanceMax: 0.05, embed, verify };
await ask("Is the sky blue today?", { semantic });
await ask("Today, is the sky blue?", { semantic });
await ask("Today, is the sky not blue?", { semantic });

const { hits, semanticHits, misses } = engine.caches().response;
console.log(`${hits} found, ${semanticHits} found by their meaning, ${misses} computed`);
console.log(`${await engine.invalidateResponses()} answers forgotten`);

await engine.close();
