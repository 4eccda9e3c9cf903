// The answer to one request, as a Flow. Owns the life of the native stream: who cancels it, when, and who frees it.

package ai.indwell

import ai.indwell.ffi.NativeEvent
import ai.indwell.ffi.NativeStream
import ai.indwell.ffi.use
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.flow

/**
 * The answer to one request: any number of [TextDelta] and other events, then one [Finished].
 *
 * The flow is cold: each collection is a request of its own, which starts then and is cancelled when the collection
 * ends early, by an exception, by `take`, or because the collecting coroutine is cancelled. Cancelling frees the
 * request's place in the engine within one step, also while the prompt is being read and also while the collector is
 * busy; no event follows.
 *
 * No thread is blocked while waiting. A collector that is slow pauses its own request and no other.
 *
 * Collecting throws the [IndwellException] that the request fails with.
 */
public class TokenStream internal constructor(private val submit: () -> NativeStream) :
    Flow<Event> by flow({ reading(submit) { emitBatches(it) } }) {
    /**
     * Waits for the whole answer. Each call is a request of its own, as each collection is.
     *
     * @throws IndwellException where the request fails
     */
    public suspend fun reply(): Reply = reading(submit) { stream ->
        try {
            awaitNative { stream.reply() }.toReply()
        } catch (failure: IndwellException) {
            JvmExit.suspendIfUnderway()
            throw failure
        }
    }
}

/** What [read] makes of the stream that [submit] gives, which is cancelled as soon as this coroutine is. */
private suspend fun <T> reading(submit: () -> NativeStream, read: suspend (NativeStream) -> T): T =
    callNative(submit).use { stream ->
        coroutineScope {
            val watch = whenThisScopeEnds { stream.cancel() }
            read(stream).also { watch.cancel() }
        }
    }

/** Emits what [stream] says up to [Finished]; throws for the other two ends. */
private suspend fun FlowCollector<Event>.emitBatches(stream: NativeStream) {
    while (true) {
        val batch = awaitNative { stream.nextBatch() }
        if (batch.isEmpty()) throw IndwellException.Internal("the stream ended without saying why")
        for (event in batch) {
            when (event) {
                is NativeEvent.PromptLogprobs -> emit(event.toPromptLogprobs())
                is NativeEvent.Reasoning -> emit(event.toReasoningDelta())
                is NativeEvent.Text -> emit(event.toTextDelta())
                is NativeEvent.ToolCall -> emit(event.toToolCallDelta())
                is NativeEvent.ChoiceFinished -> emit(event.toChoiceFinished())
                is NativeEvent.Finished -> return emit(event.toFinished())
                is NativeEvent.Cancelled -> throw IndwellException.Cancelled("the request was cancelled")
                is NativeEvent.Failed -> {
                    JvmExit.suspendIfUnderway()
                    throw event.error.toIndwellException()
                }
            }
        }
    }
}
