/// <reference lib="esnext.disposable" />
/**
 * The contract of the package `indwell`. Written by hand, reviewed, and checked: `tsc` compiles
 * `testing/types.test-d.ts` against it and `lib/` against it.
 */

/** The version of this package and of the engine in it. */
export declare const version: string;

/** Every device that can compute, the processor included. */
export declare function devices(): Promise<Device[]>;

/**
 * A model, ready to answer any number of requests at once: it batches them.
 *
 * Nothing here blocks the event loop. An engine keeps no process alive by itself; a promise that is
 * waited for does.
 */
export declare class Engine {
  private constructor();

  /**
   * Loads a model: an alias (fetched the first time), the path of a GGUF file, or its `file:` URL.
   *
   * Rejects with `model_load`, `invalid_request`, `out_of_memory`, `unsupported`, `io`; with
   * `cancelled` when the signal aborts, and then an engine that is still loading is closed as soon
   * as it has loaded.
   */
  static load(model: string | URL, options?: LoadOptions): Promise<Engine>;

  /** What the model says of itself. */
  readonly model: ModelInfo;

  /** Whether the engine is closed. */
  readonly closed: boolean;

  /** What the engine has done and is doing, or did until it was closed. */
  stats(): EngineStats;

  /**
   * What the caches hold and have done, or did until the engine was closed: the prefix cache tier by
   * tier, and the response cache.
   */
  caches(): CacheStats;

  /** What the engine takes of memory, part by part, and what it may take. */
  memory(): EngineMemory;

  /** The engine's metrics in the text format of Prometheus, for whoever serves it for scraping. */
  metricsText(): string;

  /**
   * Answers a chat. A text alone is one message of the user.
   *
   * With `stream: true` it returns the stream at once, and whatever is wrong with the call rejects
   * the first `next()`; else it returns a promise of the whole reply, and whatever is wrong rejects
   * that.
   */
  chat(
    messages: string | readonly ChatMessage[],
    options: ChatOptions & { stream: true },
  ): TokenStream;
  chat(
    messages: string | readonly ChatMessage[],
    options?: ChatOptions & { stream?: false },
  ): Promise<Reply>;

  /** Continues a text, without a chat template. Streams and errors are as in {@link chat}. */
  complete(prompt: string, options: CompletionOptions & { stream: true }): TokenStream;
  complete(prompt: string, options?: CompletionOptions & { stream?: false }): Promise<Reply>;

  /**
   * Computes the beginning of chats, and keeps it at hand until the handle is unpinned: for
   * instructions that many chats begin with. A text alone is one message of the user.
   *
   * Rejects as a request does; with `unsupported` where there is no prefix cache; with `cancelled`
   * when the signal aborts, and then nothing is kept.
   */
  cachePrefix(
    messages: string | readonly ChatMessage[],
    options?: PrefixOptions,
  ): Promise<CachedPrefix>;

  /**
   * Gives back at least this many bytes of the memory that cached prefixes take, coldest first, if
   * there are as many, and all for `Infinity`; resolves with how many it gave back. For an
   * application that is told to use less memory.
   *
   * Takes about a step. Rejects with `invalid_request`, `engine_closed`, `engine_poisoned`.
   */
  trim(bytes: number | bigint): Promise<number>;

  /**
   * Forgets every stored answer, or those to requests with this `cacheSalt`, in memory and on disk;
   * resolves with how many there were. Answers that are being computed at this moment are not stored
   * either.
   *
   * Rejects with `invalid_request`, `engine_closed`, `engine_poisoned`.
   */
  invalidateResponses(options?: InvalidateOptions): Promise<number>;

  /**
   * The platform's `fetch`, answered by this engine, without a network: the API of OpenAI at
   * `/v1/chat/completions`, `/v1/completions`, `/v1/models` and `/v1/models/{model}`, whatever the
   * host. It is bound, so that clients can be given it:
   *
   * ```js
   * const client = new OpenAI({ fetch: engine.fetch, apiKey: "-" });
   * ```
   *
   * What is wrong with a request is a response with a status, as OpenAI's. Bodies are streams: who
   * does not read pauses the request, and aborting the signal, cancelling the body and losing the
   * response cancel it. Rejects with the signal's reason where that aborts, and with a `TypeError`
   * for what is no request.
   */
  readonly fetch: typeof globalThis.fetch;

  /**
   * Closes the engine once everybody has been served: from now on requests are refused with
   * `engine_closed`, and those that were accepted come to their ends, if `timeoutMs` gives them the
   * time. Resolves then with whether every request did. For an application that is told to end;
   * {@link close} ends it at once, meanwhile too.
   *
   * Rejects with `invalid_request` for a timeout that is none, and then nothing has happened.
   */
  drain(options?: DrainOptions): Promise<boolean>;

  /** Ends all requests with `engine_closed` and frees the model. A second close does nothing. */
  close(): Promise<void>;

  /** `await using engine = ...`: the same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The events of one request, in order: `promptLogprobs` where they are asked for, any number of
 * `reasoning`, `text` and `toolCall`, where there are several answers a `choiceFinished` for each,
 * then one `finished`. A request that fails or is cancelled rejects `next()` instead.
 *
 * Leaving a `for await` loop early cancels the request, and so does dropping the stream. A reader
 * that falls behind pauses its own request and no other.
 */
export declare class TokenStream
  implements AsyncIterable<StreamEvent>, AsyncIterator<StreamEvent, undefined>
{
  private constructor();

  /**
   * Cancels the request: its memory is free within one step of the engine. Events that were ready
   * before are still given out, then `next()` rejects with `cancelled`; a request that had finished
   * stays so.
   */
  cancel(): void;

  next(): Promise<IteratorResult<StreamEvent, undefined>>;
  return(): Promise<IteratorResult<StreamEvent, undefined>>;
  throw(error: unknown): Promise<IteratorResult<StreamEvent, undefined>>;
  [Symbol.asyncIterator](): this;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A prefix that is kept for the requests that begin with it, until it is unpinned. It is the last
 * thing to give way when memory is short.
 *
 * It keeps no engine open. One that is lost is unpinned when it is collected, which may be late.
 */
export declare class CachedPrefix {
  private constructor();

  /** How many tokens it has, the chat template's included. */
  readonly tokens: number;

  /**
   * Lets go of it: it stays cached as any other prefix, and gives way as one. Never blocks; a
   * second time does nothing, and so does the first on a closed engine.
   */
  unpin(): void;

  /** `using prefix = ...`: the same as {@link unpin}. */
  [Symbol.dispose](): void;
}

/** What a request or a load failed with. The fields are there where they make sense. */
export declare class IndwellError extends Error {
  private constructor();

  /**
   * `AbortError` where the code is `cancelled`, as for the platform's own operations; else
   * `IndwellError`.
   */
  name: "IndwellError" | "AbortError";
  /** What kind of error it is: what the caller can do about it. */
  readonly code: ErrorCode;
  /** The option or argument it is about. */
  readonly field?: string;
  /** Its value, as text. */
  readonly value?: string;
  /** What is allowed. */
  readonly limit?: string;
  /** What to do. */
  readonly remedy?: string;
  /** When to try again; with `overloaded`. */
  readonly retryAfterMs?: number;
  /** The signal's reason, where a signal aborted the request. */
  readonly cause?: unknown;
}

export type ErrorCode =
  /** Correct the request: it can never succeed as it is. */
  | "invalid_request"
  /** Shorten the prompt, or load the model with a larger context. */
  | "context_overflow"
  /** Come back later: `retryAfterMs`. */
  | "overloaded"
  /** The request's own `timeoutMs` passed. */
  | "deadline_exceeded"
  /** The request was cancelled, or aborted by its signal. */
  | "cancelled"
  /** Choose another model file, or mend this one. */
  | "model_load"
  /** Free memory, or ask for less context. */
  | "out_of_memory"
  /** Ask again without `cache: "only_if_cached"`: no answer is stored. */
  | "not_cached"
  /** Load a new engine. */
  | "engine_closed"
  /** The engine failed: load a new one, and report it. With `isolation: "process"` ask again. */
  | "engine_poisoned"
  /** This model or build can't do that. */
  | "unsupported"
  /** The process was forked after the engine was made. */
  | "forked"
  /** A file or program could not be used. */
  | "io"
  /** A bug: report it. */
  | "internal";

/**
 * Options of {@link Engine.load}. Names and values that are not known reject with
 * `invalid_request`.
 */
export interface LoadOptions {
  /** Tokens that all requests together may hold. Default 8192. */
  contextTokens?: number;
  /** Requests computed at once. Default 32. */
  sequencesMax?: number;
  /** Tokens computed in one step. Default 512. */
  batchTokens?: number;
  /** Prompt tokens of one step while others are being answered, at most. Default 256. */
  prefillChunkTokens?: number;
  /**
   * Milliseconds between two tokens of a stream that a prompt which is computed beside it may make of it, 1 to
   * 60000: of the prompt so much is computed in a step as that leaves time for. Default: two and a half times as
   * long as the streams take alone, or as long as a batch of 64 tokens takes where that is longer.
   */
  itlTargetMs?: number;
  /** Threads that compute. */
  threads?: number;
  /** Requests that may wait; beyond them `overloaded`. Default 256. */
  queueRequestsMax?: number;
  /** Prompt tokens that may wait; beyond them `overloaded`. */
  queueTokensMax?: number;
  /** `maxTokens` of requests that don't say. Default 512. */
  defaultMaxTokens?: number;
  /** Layers computed on a GPU, where there is one. */
  gpuLayers?: number;
  /** Whether to use flash attention; the model decides if left out. */
  flashAttention?: boolean;
  /**
   * Where llama.cpp computes: `process` for a process of its own, which may end without ending this
   * one; what it was answering then rejects with `engine_poisoned`, and the engine goes on with a new
   * one. Default `in_process`.
   */
  isolation?: "in_process" | "process";
  /**
   * `"auto"` drafts what an answer seems to repeat of its prompt or itself, and verifies several tokens in one
   * step where that is worth it; the answers are the same. Default `"auto"`.
   */
  speculation?: "auto" | "off";
  /** Events that a stream's reader may be behind before its request is paused. Default 256. */
  streamCapacity?: number;
  /** A chat template, in Jinja, in place of the model's own. */
  chatTemplate?: string;
  /** The form in which the model writes tool calls. Default what its chat template tells. */
  toolParser?: string;
  /** The form in which the model writes its reasoning. Default what its chat template tells. */
  reasoningParser?: string;
  /**
   * Tokens of prefixes that nobody uses just now, which the context may hold for later requests; 0
   * turns the prefix cache off. Default 2048, or half of `contextTokens` if that is less.
   */
  prefixCacheTokens?: number;
  /**
   * Bytes of memory beside the context for prefixes that had to leave it; 0 for none. Default 1
   * GiB, or an eighth of the memory that the process may use if that is less.
   */
  hostCacheBytes?: number;
  /** A folder for prefixes that had to leave the memory, and for the next process. Default none. */
  diskCacheDir?: string;
  /** Bytes that they may take there; at least 1. Default 10 GiB. */
  diskCacheBytes?: number;
  /**
   * Bytes of complete answers that are kept for the same questions; 0 turns the response cache off,
   * and with it the sharing of one computation by the same requests in flight. Default 64 MiB, and
   * never more than a 64th of the memory that the process may use.
   */
  responseCacheBytes?: number;
  /** Milliseconds that an answer is kept; above 0. Default no limit. */
  responseCacheTtlMs?: number;
  /**
   * A folder for answers that outlive the process; it is made if it is not there. One engine at a
   * time uses it: a second one is refused with `io`. Default none, and nothing is written.
   */
  responseCacheDir?: string;
  /**
   * Bytes of memory that the engine may take, all together: weights, KV cells, scratch and both
   * caches; {@link Engine.memory} shows them. Options that are not given are cut to fit: first the
   * caches, then `contextTokens`, down to 512. What does not fit even so is `out_of_memory` before
   * anything is allocated. Default no such bound.
   */
  memoryBytes?: number;
  /** Hears how far loading has come; the latest news only, if it is slow. */
  onProgress?: (progress: Progress) => void;
  /** Gives up loading. */
  signal?: AbortSignal;
}

/**
 * What may be asked of a chat and of a completion alike. Names and values that are not known reject
 * with `invalid_request`; `null` and `undefined` are as if not given.
 */
export interface RequestOptions extends SamplingOptions, ConstraintOptions {
  /** Tokens to generate at most; at least 1. Default the engine's `defaultMaxTokens`. */
  maxTokens?: number;
  /** Tokens to generate at least: until then nothing ends the answer. Default 0. */
  minTokens?: number;
  /** Texts that end the answer; they are not part of it. At most 64, none empty. */
  stop?: string | readonly string[];
  /** Tokens that end the answer, by their ids; they are not part of it. At most 64. */
  stopTokens?: readonly number[];
  /** Whether the answer goes on where the model would end it. Default false. */
  ignoreEos?: boolean;
  /**
   * How many answers there are, 1 to 128. Default 1. They share the prompt and differ by their
   * seeds: the first has the request's, each other the next one.
   */
  n?: number;
  /**
   * How many answers are computed, of which the `n` best are told, by the mean log-probability of
   * their tokens, once all are complete; at least `n`, at most 128. Default `n`.
   */
  bestOf?: number;
  /** Whether to tell each token's log-probability. Default false. */
  logprobs?: boolean;
  /**
   * How many of the likeliest tokens to tell in each token's place, 0 to 20. Default 0. Above 0 it
   * asks for `logprobs` too.
   */
  topLogprobs?: number;
  /** Whether to tell the log-probabilities of the prompt's tokens too. Default false. */
  promptLogprobs?: boolean;
  /** The request fails with `deadline_exceeded` after this time, waiting included. */
  timeoutMs?: number;
  /**
   * `use`, the default, is answered by what is stored where the answer is not random (greedy, or
   * with a `seed`), takes what is cached of the prompt, and leaves both for others; `bypass` computes
   * all of it anew and leaves nothing; `refresh` computes the answer anew and replaces the stored
   * one; `only_if_cached` computes nothing: it is the stored answer, or rejects with `not_cached`.
   */
  cache?: "use" | "bypass" | "refresh" | "only_if_cached";
  /**
   * Shares cached prefixes and stored answers with requests of the same salt alone: 1 to 1024 bytes
   * of UTF-8.
   */
  cacheSalt?: string;
  /** Milliseconds that this answer is kept; above 0. Default the engine's `responseCacheTtlMs`. */
  cacheTtlMs?: number;
  /** May be answered by the stored answer to a question that means the same. */
  semantic?: Semantic;
  /** Cancels the request when it aborts. An aborted signal makes no request at all. */
  signal?: AbortSignal;
}

/**
 * How tokens are chosen. The steps are llama.cpp's, and so are their defaults, except that nothing is
 * random unless `temperature` is above 0.
 */
export interface SamplingOptions {
  /** 0, the default, takes the likeliest token each time. */
  temperature?: number;
  /** How far the temperature moves with how sure the model is, up and down; 0, the default, for none. */
  dynatempRange?: number;
  /** How it moves within that range. Default 1. */
  dynatempExponent?: number;
  /** Sample from the k likeliest tokens; 0, the default, for all. */
  topK?: number;
  /**
   * Sample from the likeliest tokens that together have this probability; above 0, at most 1, the
   * default.
   */
  topP?: number;
  /** Sample from tokens at least this times as likely as the likeliest; 0, the default, to 1. */
  minP?: number;
  /** Sample from the tokens that are most typical, with this probability together; 1, the default, for all. */
  typicalP?: number;
  /** Sample from tokens within so many standard deviations of the likeliest; 0, the default, for all. */
  topNSigma?: number;
  /** How probable it is that the likeliest tokens but the last of them are left out; 0, the default, to 1. */
  xtcProbability?: number;
  /** How probable a token must be to be left out so. Default 0.1. */
  xtcThreshold?: number;
  /** How much repeating a sequence costs; 0, the default, for nothing. */
  dryMultiplier?: number;
  /** By how much each further token of it costs more. Default 1.75. */
  dryBase?: number;
  /** How long a sequence may be repeated at no cost, in tokens. Default 2. */
  dryAllowedLength?: number;
  /** How many tokens back repetitions are looked for. Default 64. */
  dryPenaltyLastN?: number;
  /** Texts that no repetition reaches across. Default line ends, colons, quotes and asterisks. */
  drySequenceBreakers?: readonly string[];
  /** By how much tokens that were there are less likely; 1, the default, for nothing. */
  repeatPenalty?: number;
  /** How many tokens back the penalties look, those of the prompt included. Default 64. */
  repeatLastN?: number;
  /** What a token costs once it was there. Default 0. */
  presencePenalty?: number;
  /** What a token costs for each time that it was there. Default 0. */
  frequencyPenalty?: number;
  /** 1 or 2 steers by surprise, in place of the steps above; 0, the default, does not. */
  mirostat?: 0 | 1 | 2;
  /** The surprise that it steers to, in bits. Default 5. */
  mirostatTau?: number;
  /** How fast it steers. Default 0.1. */
  mirostatEta?: number;
  /** The steps, in the order in which they are taken. */
  samplers?: readonly Sampler[];
  /**
   * What is added to a token's logit, or `false` for never: by the token's id as text, or by a text,
   * which stands for each of its tokens; or as pairs.
   */
  logitBias?:
    | Readonly<Record<string, number | false>>
    | readonly (readonly [token: number | string, bias: number | false])[];
  /** Texts that the answer will not hold. At most 256. */
  bannedStrings?: readonly string[];
  /** Makes sampling repeatable: 0 to 4294967294. Default another one each time. */
  seed?: number;
}

/** A step of sampling, by llama.cpp's name. */
export type Sampler =
  | "penalties"
  | "dry"
  | "top_n_sigma"
  | "top_k"
  | "typ_p"
  | "top_p"
  | "min_p"
  | "xtc"
  | "temperature";

/**
 * What form the answer has; at most one of them. Tokens that can have only one form are not
 * computed. What can't be compiled rejects with `invalid_request`, and so does what is not supported
 * of a schema: never is the answer of another form. An answer that reaches `maxTokens` may be the
 * beginning of one.
 */
export interface ConstraintOptions {
  /** JSON that fits this JSON schema: the schema itself, or its text. */
  jsonSchema?: JsonSchema;
  /** Whether the answer is a JSON object. */
  jsonObject?: boolean;
  /** A text that this regular expression matches as a whole. */
  regex?: string;
  /** One of these texts. */
  choice?: readonly string[];
  /** A text of this grammar, in llguidance's dialect of Lark. */
  lark?: string;
  /** A text of this grammar, in llama.cpp's GBNF. */
  gbnf?: string;
}

/** A JSON schema. Names in it are never put in another spelling. */
export type JsonSchema = boolean | string | { readonly [keyword: string]: unknown };

/** Options of a chat. */
export interface ChatOptions extends RequestOptions {
  /** What the model may call: at most one of them a name. Their arguments fit their schemas. */
  tools?: readonly (Tool | OpenAITool)[];
  /**
   * Whether it calls them: as it likes (`auto`, the default), not at all, one at least
   * (`required`), or the one of this name.
   */
  toolChoice?: "auto" | "none" | "required" | { readonly name: string };
  /** Whether it may call several at once. Default true. */
  parallelToolCalls?: boolean;
  /** Texts for the template to put before the model, as far as it knows how: `title` and `text`, say. */
  documents?: readonly { readonly [field: string]: unknown }[];
  /** Further variables of the chat template, such as `enable_thinking`; spelled as it spells them. */
  templateArgs?: { readonly [name: string]: unknown };
  /** Whether the last message, the assistant's, is the beginning of the answer. Default false. */
  continueFinalMessage?: boolean;
  /** Whether what the model thinks before it answers is told apart from the answer. Default true. */
  separateReasoning?: boolean;
}

/** A tool that the model may call. */
export interface Tool {
  /** 1 to 64 letters, digits, `_` and `-`. */
  name: string;
  /** What it does, for the model. */
  description?: string;
  /** Its arguments, as the JSON schema of an object. Default none. */
  parameters?: JsonSchema;
}

/** The same as OpenAI's clients write it. */
export interface OpenAITool {
  type: "function";
  function: Tool & { strict?: boolean | null };
}

/** Options of a completion. */
export interface CompletionOptions extends RequestOptions {
  /** Whether control tokens written in the prompt are control tokens, not text. Default false. */
  parseSpecial?: boolean;
}

/**
 * When an answer to another question may be served: the nearest earlier question, asked with
 * `semantic` as well and with the same options, salt and model, if it is near enough and `verify`
 * agrees. Otherwise the request is computed, and its answer stored with its vector.
 *
 * Nearness is not sameness: "is X allowed?" and "is X not allowed?" are near each other under every
 * embedding, and so are sentences with two names or numbers swapped. No distance tells them apart;
 * `verify` has to. Do not use it where a wrong answer costs something, nor for personal data of
 * several tenants without a `cacheSalt` for each.
 *
 * Both functions may be async, and run on the thread that asked. One that throws, rejects, gives
 * nonsense or takes too long costs time and no more: the request is computed. They keep no process
 * alive by themselves.
 */
export interface Semantic {
  /** The cosine distance up to which `verify` is asked: 0, the same direction, to 2, opposite. */
  distanceMax: number;
  /** A prompt as a vector, always of one length. A chat is its messages, one a line. */
  embed(prompt: string): Vector | Promise<Vector>;
  /** Whether the answer found may be served. */
  verify(match: SemanticMatch): boolean | Promise<boolean>;
  /** How long each function may take; above 0. Default 1000. */
  timeoutMs?: number;
}

/** An embedding. */
export type Vector = readonly number[] | Float32Array | Float64Array;

/** The nearest earlier question, for {@link Semantic.verify} to judge. */
export interface SemanticMatch {
  /** The question that is asked now. */
  asked: string;
  /** The earlier question. */
  found: string;
  /** The answer to it. */
  answer: string;
  /** The cosine distance between both. */
  distance: number;
}

/** Options of {@link Engine.invalidateResponses}. */
export interface InvalidateOptions {
  /** Forgets answers to requests with this salt alone: 1 to 1024 bytes of UTF-8. */
  cacheSalt?: string;
}

/** Options of {@link Engine.drain}. */
export interface DrainOptions {
  /**
   * How long the requests that were accepted may take, in milliseconds; then those that are left end
   * with `engine_closed`. Default: no limit, and a stream that is no longer read is waited for.
   */
  timeoutMs?: number;
}

/** Options of {@link Engine.cachePrefix}. */
export interface PrefixOptions {
  /** Keeps the prefix for requests of the same salt alone: 1 to 1024 bytes of UTF-8. */
  cacheSalt?: string;
  /** It fails with `deadline_exceeded` after this time, waiting included. */
  timeoutMs?: number;
  /** Gives it up when it aborts. */
  signal?: AbortSignal;
}

/** A chat's message, spelled either way. */
export type ChatMessage = Message | OpenAIMessage;

/** A chat's message. None of its texts ever becomes a control token. */
export interface Message {
  /** `developer` is another name for `system`. */
  role: "system" | "developer" | "user" | "assistant" | "tool";
  /** Parts are put together as they are. Nothing, or null, where an assistant only calls tools. */
  content?: string | readonly TextPart[] | null;
  /** Who speaks, for templates that tell several apart. */
  name?: string | null;
  /** What the model thought before it spoke, for templates that show it. */
  reasoning?: string | null;
  /** The tools that the model calls. */
  toolCalls?: readonly ToolCall[] | null;
  /** Which call this is the result of; in messages of tools. */
  toolCallId?: string | null;
}

/**
 * The same as OpenAI's clients write it, and as they give it: what a reply's message has beside may
 * stay where it says nothing.
 */
export interface OpenAIMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  content?: string | readonly TextPart[] | null;
  name?: string | null;
  reasoning?: string | null;
  reasoning_content?: string | null;
  tool_calls?: readonly OpenAIToolCall[] | null;
  tool_call_id?: string | null;
  refusal?: string | null;
  annotations?: readonly unknown[] | null;
  audio?: null;
  function_call?: null;
}

/** A part of a message's content. Others than text are refused with `unsupported`. */
export interface TextPart {
  type: "text";
  text: string;
}

/** A call of a tool, as the model makes it. */
export interface ToolCall {
  /** What its result is told by. */
  id: string;
  /** The tool's name. */
  name: string;
  /** Its arguments: in a reply the text of a JSON object, which fits the tool's schema if it is complete. */
  arguments: string;
}

/** The same as OpenAI's clients write it. */
export interface OpenAIToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

/** One of several complete answers. */
export interface Choice {
  /** Without reasoning and tool calls. */
  text: string;
  /** What the model thought before it answered; null if it did not. */
  reasoning: string | null;
  /** The tools that it calls. */
  toolCalls: ToolCall[];
  finishReason: FinishReason;
  /** One for each token, those of reasoning and of tool calls included; empty unless asked for. */
  logprobs: TokenLogprob[];
}

/** A complete answer. */
export interface Reply extends Choice {
  usage: Usage;
  timings: Timings;
  /** Tokens per second after the first one. */
  decodeTokensPerSecond: number;
  /** One for each token of the prompt; empty unless asked for. */
  promptLogprobs: PromptLogprob[];
  /** The other answers, where `n` asks for several. */
  alternatives: Choice[];
}

/**
 * Why an answer ended: the model or a stop string ended it, it reached its limit, or the model ended
 * it and calls tools.
 */
export type FinishReason = "stop" | "length" | "tool_calls";

export type StreamEvent =
  | PromptLogprobsEvent
  | ReasoningEvent
  | TextEvent
  | ToolCallEvent
  | ChoiceFinishedEvent
  | FinishedEvent;

/** More of the answer: whole characters only. */
export interface TextEvent {
  type: "text";
  /** Which of several answers, from 0. */
  choice: number;
  text: string;
  /**
   * One for each token since the last event, those of reasoning and of tool calls included; empty
   * unless asked for.
   */
  logprobs: readonly TokenLogprob[];
}

/** More of what the model thinks before it answers: whole characters only. */
export interface ReasoningEvent {
  type: "reasoning";
  /** Which of several answers, from 0. */
  choice: number;
  text: string;
}

/** More of a tool call. */
export interface ToolCallEvent {
  type: "toolCall";
  /** Which of several answers, from 0. */
  choice: number;
  /** Which of the answer's calls, from 0. */
  index: number;
  /** In a call's first event. */
  id?: string;
  /** In a call's first event. */
  name?: string;
  /** More of its arguments, which are JSON once they are complete. */
  arguments: string;
}

/** The log-probabilities of the prompt: before all else, where they are asked for. */
export interface PromptLogprobsEvent {
  type: "promptLogprobs";
  /** One for each token of the prompt. */
  tokens: readonly PromptLogprob[];
}

/** One of several answers is complete. */
export interface ChoiceFinishedEvent {
  type: "choiceFinished";
  /** Which one, from 0. */
  choice: number;
  reason: FinishReason;
}

/** The answer is complete, or all of them are. */
export interface FinishedEvent {
  type: "finished";
  /** Of the first answer. */
  reason: FinishReason;
  /** Of all answers together. */
  usage: Usage;
  timings: Timings;
  /** Tokens per second after the first one. */
  decodeTokensPerSecond: number;
}

/** A token with its log-probability: ln p at temperature 1, before any filter. */
export interface TopLogprob {
  token: number;
  logprob: number;
}

/** A token of the answer. */
export interface TokenLogprob extends TopLogprob {
  /** The likeliest in its place, likeliest first; empty unless asked for. */
  top: readonly TopLogprob[];
}

/** A token of the prompt. */
export interface PromptLogprob {
  token: number;
  /** After those before it; null for the first, which has none. */
  logprob: number | null;
  /** The likeliest in its place, likeliest first; empty unless asked for. */
  top: readonly TopLogprob[];
}

/** What a request took in tokens. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  /** Tokens of the prompt that were cached, and not computed anew. */
  cachedTokens: number;
  /** The slowest tier that they came from; null if there are none. */
  cache: CacheTier | null;
  /**
   * The cosine distance to the question that was answered, where `cache` is `semantic`; else null.
   */
  semanticDistance: number | null;
}

/**
 * Where cached tokens came from, fastest first: a stored answer to the same question, or one that
 * was just computed for somebody else; one to a question that means the same; the memory that the
 * model computes in, the host's memory, or files.
 */
export type CacheTier = "response" | "semantic" | "resident" | "host" | "disk";

/** What a request took in time. */
export interface Timings {
  /** From the call until its prefill started. */
  queuedMs: number;
  /** From then until the first token. */
  prefillMs: number;
  /** From the call until the first token. */
  ttftMs: number;
  /** From the first token to the last. */
  decodeMs: number;
  /** From the call to the end. */
  totalMs: number;
}

/** How far loading has come: bytes in `fetch` and `verify`, thousandths in `load`. */
export interface Progress {
  stage: "fetch" | "verify" | "load";
  done: number;
  total?: number;
}

/** What a model says of itself. */
export interface ModelInfo {
  readonly name: string;
  readonly path: string;
  readonly description: string;
  readonly parameters: number;
  readonly sizeBytes: number;
  readonly vocabularySize: number;
  readonly trainedContextTokens: number;
  readonly contextTokens: number;
  readonly hasChatTemplate: boolean;
}

/** What an engine has done and is doing. Counters only grow. */
export interface EngineStats {
  /** Decode calls, each of one batch. */
  steps: number;
  promptTokens: number;
  completionTokens: number;
  requestsRunning: number;
  /** Requests in the queue, those that gave way to others included. */
  requestsWaiting: number;
  requestsFinished: number;
  requestsCancelled: number;
  requestsFailed: number;
  cellsUsed: number;
  cellsTotal: number;
  /**
   * How often a request gave its KV cells up to others, as answers outgrew what there is or its
   * reader was behind. It goes on later, with the same answer.
   */
  preemptions: number;
  /** Tokens that were computed once more because of it. */
  recomputedTokens: number;
  /** Tokens that were drafted and verified in a batch (`speculation`). */
  draftedTokens: number;
  /** Those of them that were right: tokens of answers without a step of their own. */
  acceptedTokens: number;
  /** Prompt tokens of admitted requests that take part in the prefix cache. */
  prefixCacheQueries: number;
  /** Those of them that were cached, and not computed anew. */
  prefixCacheHits: number;
  /** Hits among the queries, from 0 to 1; 0 as long as there are none. */
  prefixCacheHitRate: number;
  /** Requests that a stored answer could have served. */
  responseCacheQueries: number;
  /** Those of them that were not computed. */
  responseCacheHits: number;
  /** Hits among the queries, from 0 to 1; 0 as long as there are none. */
  responseCacheHitRate: number;
  /** Times that the process which computes was started again, with `isolation: "process"`. */
  restarts: number;
}

/**
 * What an engine takes of memory, in bytes, all devices together. Weights that are mapped from their
 * file count in full, though the system can drop them from memory and read them again.
 */
export interface EngineMemory {
  /** What it may take: `memoryBytes`. Null where nothing was said. */
  budgetBytes: number | null;
  /** The most that it can come to, both caches full: never more than the budget. */
  limitBytes: number;
  /** The model's weights. */
  weightsBytes: number;
  /** Cells of the KV cache, used or not, and recurrent states. */
  kvBytes: number;
  /** What computing a step takes, logits included. */
  scratchBytes: number;
  /** Snapshots of cached prefixes in the host's memory. */
  hostCacheBytes: number;
  /** Stored answers and their questions. */
  responseCacheBytes: number;
  /** What the engine takes now, all together. */
  totalBytes: number;
}

/** What an engine's caches hold and have done: the prefix cache tier by tier, and answers. */
export interface CacheStats {
  /** In the memory that the model computes in. */
  resident: CacheTierStats;
  /** In the host's memory. */
  host: CacheTierStats;
  /** In files. */
  disk: CacheTierStats;
  /** Tokens of prefixes that {@link Engine.cachePrefix} keeps. */
  pinnedTokens: number;
  /** Complete answers. */
  response: ResponseCacheStats;
}

/** The response cache. One that is off has a capacity of 0. Counters only grow. */
export interface ResponseCacheStats {
  /** Answers that are stored. */
  entries: number;
  /** Bytes they take, bookkeeping included. */
  bytes: number;
  /** Bytes they may take. */
  capacityBytes: number;
  /** Counter: requests answered by a stored answer to the same question. */
  hits: number;
  /** Counter: requests that shared the computation of one that came before. */
  shared: number;
  /** Counter: requests answered by a stored answer to a question that means the same. */
  semanticHits: number;
  /** Counter: requests that a stored answer could have served, but that were computed. */
  misses: number;
  /** Counter: answers given up for want of room. */
  evictions: number;
}

/** One tier of the prefix cache. One that is off has a capacity of 0. Counters only grow. */
export interface CacheTierStats {
  /** Pieces of prefixes: runs of tokens that are kept and given up as one. */
  entries: number;
  /** Tokens in them. */
  tokens: number;
  /** Bytes they take. */
  bytes: number;
  /** Bytes they may take. */
  capacityBytes: number;
  /** Counter: requests that found something here, and nothing in a slower tier. */
  hits: number;
  /** Counter: tokens that these requests did not compute. */
  hitTokens: number;
  /** Counter: entries given up for want of room. */
  evictions: number;
}

/** Something that can compute. */
export interface Device {
  name: string;
  description: string;
  kind: "cpu" | "gpu" | "igpu" | "accelerator";
  memoryFreeBytes: number;
  memoryTotalBytes: number;
}
