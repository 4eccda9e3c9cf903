// Requests in the shape of OpenAI's HTTP API, answered in the process. Owns the life of the native exchange.

package ai.indwell

import ai.indwell.ffi.NativeExchange
import ai.indwell.ffi.NativeHttpEvent
import ai.indwell.ffi.use
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.flow

/** One thing that [Engine.dispatch] says. */
public sealed interface HttpEvent {
    /**
     * How the response begins. The first event, once.
     *
     * @property status the HTTP status
     * @property headers names in lower case, and values, in their order
     */
    public data class Head(val status: Int, val headers: List<Pair<String, String>>) : HttpEvent

    /**
     * More of the body: all of it at once where it is JSON, an event at a time where it is a stream of events.
     *
     * @property text whole characters only
     */
    public data class Chunk(val text: String) : HttpEvent
}

/** The exchange that [submit] begins; each collection is one of its own. The flow ends where the response does. */
internal fun exchange(submit: () -> NativeExchange): Flow<HttpEvent> = flow {
    callNative(submit).use { exchange ->
        coroutineScope {
            val watch = whenThisScopeEnds { exchange.cancel() }
            emitBatches(exchange)
            watch.cancel()
        }
    }
}

private suspend fun FlowCollector<HttpEvent>.emitBatches(exchange: NativeExchange) {
    while (true) {
        val batch = awaitNative { exchange.nextBatch() }
        if (batch.isEmpty()) throw IndwellException.Internal("the exchange ended without saying so")
        for (event in batch) {
            when (event) {
                is NativeHttpEvent.Head -> emit(event.toHead())
                is NativeHttpEvent.Chunk -> emit(HttpEvent.Chunk(event.text))
                is NativeHttpEvent.End -> return
            }
        }
    }
}

private fun NativeHttpEvent.Head.toHead(): HttpEvent.Head =
    HttpEvent.Head(status.toInt(), headers.map { it.name to it.value })
