// Instructions that many chats begin with: computed once, kept at hand, and found by each chat.
//
//     node prefix_cache.mjs [MODEL]

import { Engine } from "indwell";

const model = process.argv[2] ?? "smollm2-135m";
const engine = await Engine.load(model);

const rules = "Answer in one short sentence. Say so where you do not know. Be kind. ";
const instructions = { role: "system", content: `You know all about animals. ${rules.repeat(20)}` };

const prefix = await engine.cachePrefix([instructions]);
console.log(`${prefix.tokens} tokens are kept`);

for (const content of ["What is a llama?", "Where do alpacas live?", "What do camels eat?"]) {
  const { text, usage, timings } = await engine.chat([instructions, { role: "user", content }], {
    maxTokens: 24,
  });
  console.log(text.split(/\s+/).join(" ").trim());
  console.log(
    `  ${usage.cachedTokens} of ${usage.promptTokens} prompt tokens were cached (${usage.cache}), ` +
      `first token after ${timings.ttftMs.toFixed(0)} ms`,
  );
}

// It stays cached as any other prompt does, but no longer before them. Where Node has `using`, the
// end of the scope does this.
prefix.unpin();

// An application that is told to use less memory asks for some of it back.
const freed = await engine.trim(64 * 2 ** 20);
const found = (engine.stats().prefixCacheHitRate * 100).toFixed(0);
console.log(`${found}% of all prompt tokens were cached; ${freed} bytes given back`);

await engine.close();
