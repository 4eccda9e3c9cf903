/**
 * The contract as its users meet it, and the JavaScript against the contract. Compiled, never run.
 */
import { CachedPrefix, Engine, IndwellError, TokenStream, devices, version } from "../index.js";
import type {
  CacheStats,
  CacheTier,
  ChatOptions,
  Choice,
  Device,
  EngineStats,
  ErrorCode,
  Message,
  ModelInfo,
  PromptLogprob,
  Reply,
  ResponseCacheStats,
  StreamEvent,
  Tool,
  ToolCall,
  TopLogprob,
  Usage,
} from "../index.js";
import type * as contract from "../index.cjs";

/** Compiles only where both types are the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function loading(signal: AbortSignal): Promise<void> {
  const engine = await Engine.load("smollm2-135m");
  await Engine.load(new URL("file:///model.gguf"), { contextTokens: 4096, signal });
  await Engine.load("model.gguf", {
    onProgress: ({ stage, done, total }) => same<typeof stage, "fetch" | "verify" | "load">(true),
  });
  same<typeof engine, Engine>(true);
  same<typeof engine.model, ModelInfo>(true);
  same<ReturnType<typeof engine.stats>, EngineStats>(true);
  same<ReturnType<typeof engine.metricsText>, string>(true);
  same<typeof version, string>(true);
  same<Awaited<ReturnType<typeof devices>>, Device[]>(true);
  await engine.close();
  // @ts-expect-error an engine is loaded, not constructed
  new Engine("smollm2-135m");
  // @ts-expect-error options are known by name
  await Engine.load("smollm2-135m", { contextTokns: 1 });
  // @ts-expect-error the model is its own
  engine.model.name = "another";
}

export async function asking(engine: Engine, signal: AbortSignal): Promise<void> {
  const messages: readonly Message[] = [{ role: "user", content: "Hello" }];
  same<Awaited<ReturnType<typeof reply>>, Reply>(true);
  async function reply() {
    return engine.chat(messages, { maxTokens: 8, temperature: 0.7, stop: ["\n"], signal });
  }
  const stream = engine.chat("Hello", { stream: true });
  same<typeof stream, TokenStream>(true);
  const whole = engine.complete("Once", { stream: false, parseSpecial: true });
  same<typeof whole, Promise<Reply>>(true);
  const { text, finishReason, usage } = await whole;
  same<typeof finishReason, "stop" | "length" | "tool_calls">(true);
  same<typeof usage, Usage>(true);
  same<typeof text, string>(true);
  // @ts-expect-error a chat has no control tokens in its text
  await engine.chat("Hello", { parseSpecial: true });
  // @ts-expect-error roles are few
  await engine.chat([{ role: "function", content: "1" }]);
  // @ts-expect-error a prompt is text
  await engine.complete(messages);
  // @ts-expect-error a stream is no promise of a reply
  (await stream).text;
}

export async function streaming(stream: TokenStream): Promise<void> {
  for await (const event of stream) {
    same<typeof event, StreamEvent>(true);
    switch (event.type) {
      case "promptLogprobs":
        same<typeof event.tokens, readonly PromptLogprob[]>(true);
        break;
      case "reasoning":
      case "text":
        event.text.toUpperCase();
        break;
      case "toolCall":
        same<typeof event.name, string | undefined>(true);
        break;
      default:
        same<typeof event.reason, "stop" | "length" | "tool_calls">(true);
    }
    // @ts-expect-error not every event has text
    event.text;
  }
  stream.cancel();
  await using left = stream;
}

export async function conversing(engine: Engine): Promise<void> {
  const look = { name: "look", description: "Looks.", parameters: { type: "object" } } as const;
  const tools: Tool[] = [look, { name: "listen" }];
  const options: ChatOptions = { tools, toolChoice: { name: "look" }, parallelToolCalls: false };
  const reply = await engine.chat("Look!", options);
  same<typeof reply.toolCalls, ToolCall[]>(true);
  same<typeof reply.reasoning, string | null>(true);
  const { text, toolCalls } = reply;
  const [call] = toolCalls;
  await engine.chat([
    { role: "developer", content: [{ type: "text", text: "Be brief." }] },
    { role: "user", content: "Look!", name: "Ada" },
    { role: "assistant", content: text, toolCalls },
    { role: "tool", content: "Fog.", toolCallId: call.id },
  ]);
  await engine.chat(
    [
      {
        role: "assistant",
        content: null,
        refusal: null,
        tool_calls: [{ id: "1", type: "function", function: { name: "look", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "1", content: "Fog." },
    ],
    {
      tools: [{ type: "function", function: { ...look, strict: true } }],
      documents: [{ title: "Weather", text: "Fog." }],
      templateArgs: { enable_thinking: false },
      continueFinalMessage: false,
    },
  );
  // @ts-expect-error an image is no text
  await engine.chat([{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }]);
  // @ts-expect-error a choice of four kinds
  await engine.chat("Look!", { toolChoice: "look" });
  // @ts-expect-error a completion calls nothing
  await engine.complete("Look!", { tools });
}

export async function choosing(engine: Engine): Promise<void> {
  const { alternatives, logprobs, promptLogprobs } = await engine.complete("Once", {
    n: 2,
    bestOf: 4,
    logprobs: true,
    topLogprobs: 3,
    promptLogprobs: true,
    samplers: ["top_k", "temperature"],
    logitBias: { " upon": 2.5, "42": false },
    stopTokens: [2],
    mirostat: 2,
  });
  same<typeof alternatives, Choice[]>(true);
  same<(typeof logprobs)[number]["top"], readonly TopLogprob[]>(true);
  same<(typeof promptLogprobs)[number]["logprob"], number | null>(true);
  await engine.complete("Once", {
    logitBias: [
      [42, false],
      [" upon", -1],
    ],
    jsonSchema: "{}",
  });
  await engine.complete("Once", { jsonSchema: { type: "object", properties: { top_k: {} } } });
  // @ts-expect-error llama.cpp's names
  await engine.complete("Once", { samplers: ["topK"] });
  // @ts-expect-error true bans nothing
  await engine.complete("Once", { logitBias: { a: true } });
  await Engine.load("model.gguf", { chatTemplate: "{{ messages }}", toolParser: "hermes" });
}

export async function fetching(engine: Engine): Promise<void> {
  const { fetch } = engine;
  const response = await fetch("/v1/models");
  same<typeof response, Response>(true);
  const client: { fetch?: typeof globalThis.fetch } = { fetch };
  void client;
  // @ts-expect-error it is the engine's
  engine.fetch = globalThis.fetch;
}

export async function caching(engine: Engine, signal: AbortSignal): Promise<void> {
  const { usage } = await engine.chat("Hello", { cache: "bypass", cacheSalt: "tenant 1" });
  same<typeof usage.cache, CacheTier | null>(true);
  same<typeof usage.cachedTokens, number>(true);
  await Engine.load("model.gguf", {
    prefixCacheTokens: 0,
    hostCacheBytes: 2 ** 30,
    diskCacheDir: "snapshots",
    diskCacheBytes: 2 ** 34,
  });
  using prefix = await engine.cachePrefix("Hello", { cacheSalt: "a", timeoutMs: 1000, signal });
  same<typeof prefix, CachedPrefix>(true);
  same<typeof prefix.tokens, number>(true);
  prefix.unpin();
  same<ReturnType<typeof engine.caches>, CacheStats>(true);
  const freed = [await engine.trim(1), await engine.trim(2n ** 40n)];
  same<typeof freed, number[]>(true);
  // @ts-expect-error one of four
  await engine.chat("Hello", { cache: "always" });
  // @ts-expect-error a prefix has no answer
  await engine.cachePrefix("Hello", { maxTokens: 4 });
  // @ts-expect-error a prefix is computed by an engine
  new CachedPrefix();
  // @ts-expect-error what is to be freed is said
  await engine.trim();
  const drained = [await engine.drain(), await engine.drain({ timeoutMs: 10_000 })];
  same<typeof drained, boolean[]>(true);
}

export function budgeting(engine: Engine): void {
  const { budgetBytes, totalBytes } = engine.memory();
  same<typeof budgetBytes, number | null>(true);
  same<typeof totalBytes, number>(true);
}

export async function answeringAgain(engine: Engine): Promise<void> {
  await Engine.load("model.gguf", {
    responseCacheBytes: 2 ** 24,
    responseCacheTtlMs: 60_000,
    responseCacheDir: "answers",
    memoryBytes: 2 ** 30,
  });
  const { usage } = await engine.chat("Hello", { cache: "only_if_cached", cacheTtlMs: 1.5 });
  same<typeof usage.semanticDistance, number | null>(true);
  if (usage.cache === "response" || usage.cache === "semantic") void usage.cachedTokens;
  const { response } = engine.caches();
  same<typeof response, ResponseCacheStats>(true);
  const { responseCacheHitRate } = engine.stats();
  same<typeof responseCacheHitRate, number>(true);
  const dropped = [
    await engine.invalidateResponses(),
    await engine.invalidateResponses({ cacheSalt: "tenant 1" }),
  ];
  same<typeof dropped, number[]>(true);
  const embed = (prompt: string) => [prompt.length, 1];
  const verify = ({ asked, found }: { asked: string; found: string }) => asked === found;
  await engine.chat("Hello", { semantic: { distanceMax: 0.1, embed, verify } });
  const semantic = {
    distanceMax: 0.1,
    embed: async (prompt: string) => Float32Array.of(prompt.length),
    verify: async () => true,
    timeoutMs: 100,
  };
  same<ReturnType<typeof stream>, TokenStream>(true);
  function stream() {
    return engine.complete("Hello", { semantic, stream: true });
  }
  // @ts-expect-error somebody has to agree
  await engine.chat("Hello", { semantic: { distanceMax: 0.1, embed } });
  // @ts-expect-error a vector is numbers
  await engine.chat("Hello", { semantic: { distanceMax: 0.1, embed: (text) => text, verify } });
  // @ts-expect-error a salt is text
  await engine.invalidateResponses({ cacheSalt: 1 });
}

export function failing(error: unknown): void {
  if (!(error instanceof IndwellError)) return;
  same<typeof error.code, ErrorCode>(true);
  same<typeof error.retryAfterMs, number | undefined>(true);
  switch (error.code) {
    case "overloaded":
    case "not_cached":
    case "cancelled":
      return;
    // @ts-expect-error no such code
    case "canceled":
      return;
  }
}

/** `lib/` gives what the contract promises; each class says so of its instances itself. */
export function implementing(
  engine: typeof import("../lib/engine.cjs").Engine,
  list: typeof import("../lib/devices.cjs").devices,
  native: typeof import("../lib/native.cjs").version,
): void {
  const load: (...args: Parameters<typeof contract.Engine.load>) => Promise<contract.Engine> =
    engine.load;
  const devices: typeof contract.devices = list;
  const version: typeof contract.version = native;
  void [load, devices, version];
}
