// Answers in a form: JSON that fits a schema, one of few texts, a regular expression.
//
//     node structured.mjs [MODEL]

import { Engine } from "indwell";

const model = process.argv[2] ?? "smollm2-135m";
const engine = await Engine.load(model, { contextTokens: 4096 });

const jsonSchema = {
  type: "object",
  properties: {
    name: { type: "string", pattern: "^[A-Z][a-z]{2,9}$" },
    legs: { type: "integer", minimum: 0, maximum: 8 },
    tame: { type: "boolean" },
  },
  required: ["name", "legs", "tame"],
  additionalProperties: false,
};
const { text, usage } = await engine.chat("Describe an animal.", { jsonSchema, maxTokens: 64 });
const { name, legs, tame } = JSON.parse(text);
console.log(
  `${name} has ${legs} legs and is ${tame ? "tame" : "wild"} (${usage.completionTokens} tokens)`,
);

const { text: mood } = await engine.chat("I won! How do I feel?", { choice: ["glad", "sad"] });
console.log(`mood: ${mood}`);

const { text: date } = await engine.chat("When was the moon landing?", {
  regex: "19[0-9]{2}-[01][0-9]",
});
console.log(`date: ${date}`);

// What can't be met says so at once.
try {
  await engine.chat("Hello", { jsonSchema: { $ref: "https://example.com/animal.json" } });
} catch (error) {
  console.log(`${error.code}: ${error.field}`);
}

await engine.close();
