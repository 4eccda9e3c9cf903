// Tools: the model calls them, with arguments that fit their schemas; you give it what they gave.
//
//     node tools.mjs [MODEL]

import { Engine } from "indwell";

const model = process.argv[2] ?? "smollm2-135m";
const engine = await Engine.load(model, { contextTokens: 4096 });

const forecast = ({ city, days }) => `${city}: fog for ${days} days.`;
const tools = [
  {
    name: "forecast",
    description: "Tells the weather of the next days.",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string", enum: ["Oslo", "Rome", "Quito"] },
        days: { type: "integer", minimum: 1, maximum: 7 },
      },
      required: ["city", "days"],
      additionalProperties: false,
    },
  },
];

const messages = [{ role: "user", content: "What will the weather be in Oslo?" }];
// A small model had better be told to call one, and no more; "auto", the default, leaves it to it.
const stream = engine.chat(messages, {
  tools,
  toolChoice: "required",
  parallelToolCalls: false,
  maxTokens: 64,
  stream: true,
});
const toolCalls = [];
for await (const event of stream) {
  if (event.type !== "toolCall") continue;
  toolCalls[event.index] ??= { id: event.id, name: event.name, arguments: "" };
  toolCalls[event.index].arguments += event.arguments;
}

messages.push({ role: "assistant", content: null, toolCalls });
for (const call of toolCalls) {
  const result = forecast(JSON.parse(call.arguments));
  console.log(`${call.name}(${call.arguments}) gave ${result}`);
  messages.push({ role: "tool", toolCallId: call.id, content: result });
}

const reply = await engine.chat(messages, { tools, toolChoice: "none", maxTokens: 32 });
console.log(reply.text);

await engine.close();
