// OpenAI's own client, as it is, and no server: `npm install openai`.
//
//     node openai_sdk.mjs [MODEL]

import { Engine } from "indwell";
import OpenAI from "openai";

const engine = await Engine.load(process.argv[2] ?? "smollm2-135m", { contextTokens: 4096 });
const client = new OpenAI({ fetch: engine.fetch, apiKey: "-" });

const { data } = await client.models.list();
const model = data[0].id;
console.log(`model: ${model}`);

const stream = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "Name the capital of France." }],
  max_tokens: 24,
  temperature: 0,
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
console.log();

const schema = {
  type: "object",
  properties: { city: { enum: ["Paris", "Rome"] }, capital: { type: "boolean" } },
  required: ["city", "capital"],
  additionalProperties: false,
};
const completion = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "Is Paris the capital of France?" }],
  temperature: 0,
  response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
});
console.log(JSON.parse(completion.choices[0].message.content));

await engine.close();
