// Everything that can go wrong, as one sealed hierarchy: a class for each thing that a caller can do about it.

package ai.indwell

/** What a caller can do about an [IndwellException]. The same in every language, and [code] is how all spell it. */
public enum class ErrorKind(public val code: String) {
    /** Correct the request; the details name the field. */
    INVALID_REQUEST("invalid_request"),

    /** Send less, or load with a larger context. */
    CONTEXT_OVERFLOW("context_overflow"),

    /** Try again later. */
    OVERLOADED("overloaded"),

    /** Give it more time, or less to do. */
    DEADLINE_EXCEEDED("deadline_exceeded"),

    /** Nothing: it was asked for. */
    CANCELLED("cancelled"),

    /** Name another model or file. */
    MODEL_LOAD("model_load"),

    /** Use a smaller model or context. */
    OUT_OF_MEMORY("out_of_memory"),

    /** Ask again without [CacheMode.ONLY_IF_CACHED]. */
    NOT_CACHED("not_cached"),

    /** Load another engine. */
    ENGINE_CLOSED("engine_closed"),

    /** Load another engine, and report it: this one failed inside. */
    ENGINE_POISONED("engine_poisoned"),

    /** Do without it on this machine or with this model. */
    UNSUPPORTED("unsupported"),

    /** Load an engine after the fork. */
    FORKED("forked"),

    /** See to the disk or the network. */
    IO("io"),

    /** Report it. */
    INTERNAL("internal"),
}

/**
 * What an error is about, in parts; what does not apply is null.
 *
 * @property field the option or argument, as it is spelled here
 * @property value its value
 * @property limit what the value may be
 * @property remedy what to do
 * @property retryAfterMs after how many milliseconds to try again
 */
public data class ErrorDetails(
    val field: String? = null,
    val value: String? = null,
    val limit: String? = null,
    val remedy: String? = null,
    val retryAfterMs: Long? = null,
)

/**
 * A call that failed. The class says what to do about it; [message] is for a person, [details] for a program.
 *
 * @property message names the value, the limit and the remedy
 * @property details the same in parts
 */
public sealed class IndwellException(
    final override val message: String,
    public val details: ErrorDetails,
) : Exception(message) {
    /** What this exception's class says, as a value. */
    public abstract val kind: ErrorKind

    /** The request cannot be served as it is: [details] name the field. */
    public class InvalidRequest internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.INVALID_REQUEST
    }

    /** The prompt is longer than the context. */
    public class ContextOverflow internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.CONTEXT_OVERFLOW
    }

    /** The queue is full; [ErrorDetails.retryAfterMs] says when to try again. */
    public class Overloaded internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.OVERLOADED
    }

    /** [RequestOptions.timeout] passed. */
    public class DeadlineExceeded internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.DEADLINE_EXCEEDED
    }

    /**
     * The request was cancelled by something else than its own coroutine, which sees a `CancellationException` as
     * coroutines do.
     */
    public class Cancelled internal constructor(message: String, details: ErrorDetails = ErrorDetails()) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.CANCELLED
    }

    /** The model cannot be loaded. */
    public class ModelLoad internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.MODEL_LOAD
    }

    /** The model or its context does not fit into memory. */
    public class OutOfMemory internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.OUT_OF_MEMORY
    }

    /** [CacheMode.ONLY_IF_CACHED] was asked for, and no answer is stored. */
    public class NotCached internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.NOT_CACHED
    }

    /** The engine is closed, or was closed before the answer was whole. */
    public class EngineClosed internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.ENGINE_CLOSED
    }

    /** The engine failed inside and serves no more; with [Isolation.PROCESS] it goes on, and can be asked again. */
    public class EnginePoisoned internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.ENGINE_POISONED
    }

    /** This machine or model cannot do it. */
    public class Unsupported internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.UNSUPPORTED
    }

    /** The engine was loaded by the process that this one was forked from. */
    public class Forked internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.FORKED
    }

    /** A file or the network failed. */
    public class Io internal constructor(message: String, details: ErrorDetails) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.IO
    }

    /** A mistake in Indwell. */
    public class Internal internal constructor(message: String, details: ErrorDetails = ErrorDetails()) :
        IndwellException(message, details) {
        override val kind: ErrorKind get() = ErrorKind.INTERNAL
    }
}
