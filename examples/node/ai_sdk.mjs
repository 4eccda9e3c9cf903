// Vercel's AI SDK, as it is, and no server: `npm install ai @ai-sdk/openai-compatible`.
//
//     node ai_sdk.mjs [MODEL]

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateText, jsonSchema, streamText } from "ai";
import { Engine } from "indwell";

const engine = await Engine.load(process.argv[2] ?? "smollm2-135m", { contextTokens: 4096 });
const provider = createOpenAICompatible({
  name: "indwell",
  baseURL: "http://localhost/v1",
  fetch: engine.fetch,
  supportsStructuredOutputs: true,
});
const model = provider(engine.model.name);

const { textStream } = streamText({ model, prompt: "Tell me of the sea.", maxOutputTokens: 32 });
for await (const text of textStream) process.stdout.write(text);
console.log();

const { output } = await generateText({
  model,
  prompt: "Is the sea wet?",
  output: Output.object({
    schema: jsonSchema({
      type: "object",
      properties: { answer: { enum: ["yes", "no"] } },
      required: ["answer"],
      additionalProperties: false,
    }),
  }),
});
console.log(output);

await engine.close();
