// The engine: load, submit, dispatch, keep, stats, close. Owns the native engine; knows nothing of how an answer is read.

package ai.indwell

import ai.indwell.ffi.NativeEngine
import ai.indwell.ffi.NativeProgress
import ai.indwell.ffi.NativeProgressListener
import kotlinx.coroutines.flow.Flow
import kotlin.time.Duration

/**
 * A model, loaded and ready to answer. Any number of coroutines and threads call one engine; it batches them.
 *
 * ```kotlin
 * Engine.load("smollm2-135m").use { engine ->
 *     engine.chat("Hello").collect { print(it.text) }
 *     val reply = engine.chat("Hello", RequestOptions(maxTokens = 64)).reply()
 * }
 * ```
 *
 * An engine that is no longer referenced is closed when the garbage collector finds it; close it yourself, a model is
 * large. Engines that are open when the JVM exits are closed by a shutdown hook.
 */
public class Engine private constructor(private val native: NativeEngine) : AutoCloseable {

    /** What is loaded. Still known after [close]. */
    public val model: ModelInfo = callNative { native.model() }.toModelInfo()

    /** Whether it serves no more: closed, or failed inside. */
    public val closed: Boolean get() = callNative { native.isClosed() }

    /**
     * Asks for the answer to one message of a user. As [chat] with a list of messages.
     */
    public fun chat(message: String, options: RequestOptions = RequestOptions()): TokenStream =
        chat(listOf(user(message)), options)

    /**
     * Asks for the answer to a conversation, through the model's own chat template.
     *
     * The request starts when the stream is collected, each time it is collected. Then it can fail with
     * [IndwellException.InvalidRequest] for no messages, an option out of its range, a grammar that can't be compiled or
     * text that is not Unicode,
     * [IndwellException.ContextOverflow] for a conversation longer than the context,
     * [IndwellException.Unsupported] for a model without a chat template, [IndwellException.Overloaded] for a full queue,
     * and [IndwellException.EngineClosed].
     */
    public fun chat(messages: List<Message>, options: RequestOptions = RequestOptions()): TokenStream {
        // A list that its owner goes on to change must not change a request that has not started.
        val conversation = messages.toList()
        return TokenStream {
            native.chat(conversation.mapIndexed { index, message -> message.toNative(index) }, options.toNative())
        }
    }

    /**
     * Asks for the continuation of [prompt], without a chat template.
     *
     * With [parseSpecial], text such as `<|im_start|>` in the prompt becomes the token it names; never do that with
     * text from strangers. Starts and fails as [chat].
     */
    public fun complete(
        prompt: String,
        options: RequestOptions = RequestOptions(),
        parseSpecial: Boolean = false,
    ): TokenStream = TokenStream {
        native.complete(requireUnicode("prompt", prompt), parseSpecial, options.toNative())
    }

    /**
     * Answers a request in the shape of OpenAI's HTTP API, without HTTP: chat completions, completions and models, with or
     * without `/v1` before their paths.
     *
     * ```kotlin
     * val body = """{"model": "any", "messages": [{"role": "user", "content": "Hello"}], "stream": true}"""
     * engine.dispatch("POST", "/v1/chat/completions", body).collect { event ->
     *     when (event) {
     *         is HttpEvent.Head -> println("${event.status}")
     *         is HttpEvent.Chunk -> print(event.text)
     *     }
     * }
     * ```
     *
     * The flow is one [HttpEvent.Head] and then any number of [HttpEvent.Chunk]: one for JSON, one an event for a stream of
     * events. It is cold, and cancelled as a [TokenStream] is. What goes wrong with the request is a response in OpenAI's
     * shape, with its status, not an exception.
     *
     * @param method such as `GET` and `POST`
     * @param path such as `/v1/models`
     * @param body the request's JSON
     */
    public fun dispatch(method: String, path: String, body: String = ""): Flow<HttpEvent> = exchange {
        native.dispatch(
            requireUnicode("method", method),
            requireUnicode("path", path),
            requireUnicode("body", body).encodeToByteArray(),
        )
    }

    /** As [dispatch] with a text, for bodies that come as bytes. */
    public fun dispatch(method: String, path: String, body: ByteArray): Flow<HttpEvent> {
        // Bytes that their owner goes on to change must not change a request that has not started.
        val sent = body.copyOf()
        return exchange { native.dispatch(requireUnicode("method", method), requireUnicode("path", path), sent) }
    }

    /**
     * Computes the beginning of chats that is one message of a user, and keeps it. As [cachePrefix] with a list of
     * messages.
     */
    public suspend fun cachePrefix(message: String, cacheSalt: String? = null, timeout: Duration? = null): CachedPrefix =
        cachePrefix(listOf(user(message)), cacheSalt, timeout)

    /**
     * Computes the beginning of chats, and keeps it at hand until the handle is closed: for instructions that many chats
     * begin with. Suspends until it is computed; a coroutine that is cancelled meanwhile gives it up at once.
     *
     * ```kotlin
     * val instructions = system("You answer in one sentence.")
     * engine.cachePrefix(listOf(instructions)).use {
     *     val reply = engine.chat(listOf(instructions, user("What is a llama?"))).reply()
     *     println("${reply.usage.cachedTokens} of ${reply.usage.promptTokens} tokens were cached")
     * }
     * ```
     *
     * @param cacheSalt keeps it for requests with the same [RequestOptions.cacheSalt] alone
     * @param timeout how long it may take, waiting included
     * @throws IndwellException.Unsupported where there is no prefix cache, or no chat template
     * @throws IndwellException as a request does, for what is not accepted or does not come to its end
     */
    public suspend fun cachePrefix(
        messages: List<Message>,
        cacheSalt: String? = null,
        timeout: Duration? = null,
    ): CachedPrefix = awaitPrefix {
        native.cachePrefix(
            messages.mapIndexed { index, message -> message.toNative(index) },
            cacheSalt?.let { requireUnicode("cacheSalt", it) },
            timeout?.toNativeMilliseconds(),
        )
    }

    /**
     * What the caches hold and have done, at this moment; after [close], at its end.
     */
    public fun caches(): CacheStats = callNative { native.caches() }.toCacheStats()

    /**
     * What the engine takes of memory, part by part, and what it may take; after [close], nothing.
     */
    public fun memory(): EngineMemory = callNative { native.memory() }.toEngineMemory()

    /**
     * Gives back at least [bytes] of the memory that cached prefixes take, coldest first, if there are as many. For an
     * application that is told to use less memory. Suspends for about a step.
     *
     * @return the bytes that it gave back
     * @throws IndwellException.InvalidRequest for fewer than 0 bytes
     * @throws IndwellException.EngineClosed
     */
    public suspend fun trim(bytes: Long): Long = awaitNative { native.trim(bytes) }.toLong()

    /**
     * Forgets every stored answer, in memory and on disk. Those that are being computed at this moment are not stored
     * either.
     *
     * @param cacheSalt forgets only the answers to requests with this [RequestOptions.cacheSalt]; null for all, with a salt
     * or without
     * @return how many answers it forgot
     * @throws IndwellException.InvalidRequest for what is no salt
     * @throws IndwellException.EngineClosed
     */
    public suspend fun invalidateResponses(cacheSalt: String? = null): Long {
        val salt = cacheSalt?.let { requireUnicode("cacheSalt", it) }
        return awaitNative { native.invalidateResponses(salt) }.toLong()
    }

    /**
     * The engine's counters, at this moment; after [close], its last ones.
     */
    public fun stats(): EngineStats = callNative { native.stats() }.toEngineStats()

    /**
     * The engine's counters as Prometheus reads them, in OpenMetrics' text format.
     */
    public fun metricsText(): String = callNative { native.metricsText() }

    /**
     * Closes the engine once everybody has been served: from now on requests are refused with
     * [IndwellException.EngineClosed], and those that were accepted come to their ends. Suspends until then. For an
     * application that is told to end; [close] ends it at once, meanwhile too. A coroutine that is cancelled meanwhile
     * ends its own wait, and not the drain.
     *
     * @param timeout how long they may take; then those that are left end with [IndwellException.EngineClosed]. Null for
     * no limit, and a flow that is no longer collected is waited for
     * @return whether every request came to its own end
     * @throws IndwellException.InvalidRequest for a timeout that is none; nothing has happened then
     */
    public suspend fun drain(timeout: Duration? = null): Boolean =
        awaitNative { native.drain(timeout?.toNativeMilliseconds()) }

    /**
     * Ends every request with [IndwellException.EngineClosed] and frees the model. A second call does nothing.
     *
     * Blocks its thread until the step in progress has ended.
     */
    override fun close(): Unit = callNative { native.shutDown() }

    override fun toString(): String = "Engine(${model.name}${if (closed) ", closed" else ""})"

    public companion object {
        /**
         * Loads [model]: an alias such as `smollm2-135m`, which is fetched the first time, or the path of a GGUF file.
         *
         * Suspends for as long as that takes. A coroutine that is cancelled meanwhile leaves at once; the load goes on
         * unseen and is then thrown away.
         *
         * @param onProgress hears how far it is, on a thread of its own; an exception it throws fails the load
         * @throws IndwellException.ModelLoad for a file that is missing, unreadable or not a model, or an unknown alias
         * @throws IndwellException.InvalidRequest for an option out of its range
         * @throws IndwellException.OutOfMemory where the model or its context does not fit
         * @throws IndwellException.Io where the alias's file could not be fetched or written, or another engine uses
         * [EngineOptions.responseCacheDir]
         */
        public suspend fun load(
            model: String,
            options: EngineOptions = EngineOptions(),
            onProgress: ((Progress) -> Unit)? = null,
        ): Engine {
            requireUnicode("model", model)
            val listener = onProgress?.let(::GuardedListener)
            var native: NativeEngine? = null
            try {
                awaitNative { native = NativeEngine.load(model, options.toNative(), listener) }
                listener?.failure?.let { throw it }
                return Engine(checkNotNull(native))
            } catch (failure: Throwable) {
                // Nobody will hold this engine: a cancelled caller, or one whose listener failed.
                native?.destroy()
                throw failure
            }
        }
    }
}

/** Keeps a listener's first exception for its caller: the native side has nowhere to throw it. */
private class GuardedListener(private val onProgress: (Progress) -> Unit) : NativeProgressListener {
    @Volatile
    var failure: Throwable? = null

    override fun onProgress(progress: NativeProgress) {
        if (failure != null) return
        try {
            onProgress(progress.toProgress())
        } catch (thrown: Throwable) {
            failure = thrown
        }
    }
}
