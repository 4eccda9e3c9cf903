// Many coroutines on one engine: batched together, never held up by each other or by whoever reads slowly.

package ai.indwell

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.ConcurrentHashMap
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.startCoroutine
import kotlin.time.Duration.Companion.milliseconds

class ConcurrencyTest {
    @Test
    fun `sixteen coroutines share the engine's steps`() = runBlocking<Unit> {
        val before = engine.stats()
        val replies = List(16) { index ->
            async(Dispatchers.Default) {
                engine.chat("Tell me about the number $index.", RequestOptions(maxTokens = 32)).reply()
            }
        }.awaitAll()
        val tokens = replies.sumOf { it.usage.completionTokens }
        val steps = engine.stats().steps - before.steps
        assertTrue(replies.all { it.text.isNotBlank() })
        assertTrue(steps * 4 < tokens, "$steps steps for $tokens tokens")
    }

    @Test
    fun `an answer in company is the answer alone`() = runBlocking<Unit> {
        val capitals = mapOf("France" to "Paris", "Italy" to "Rome", "Germany" to "Berlin", "Japan" to "Tokyo")
        val replies = (1..4).flatMap { capitals.toList() }.map { (country, capital) ->
            async { capital to engine.complete("The capital of $country is", RequestOptions(maxTokens = 3)).reply().text }
        }.awaitAll()
        for ((capital, text) in replies) assertTrue(capital in text, "$capital in $text")
    }

    @Test
    fun `one thread carries many coroutines`() = runBlocking<Unit> {
        // All of them wait on this thread, and it still runs others: none of them blocks it.
        val answers = List(8) { async { engine.chat(STORY, RequestOptions(maxTokens = 24)).reply() } }
        var turns = 0
        while (answers.any { it.isActive }) {
            turns++
            delay(1.milliseconds)
        }
        assertTrue(turns > 8, "$turns turns while 8 answers were made")
        answers.awaitAll()
    }

    @Test
    fun `a slow reader does not slow the others`() = runBlocking<Unit> {
        loadSmall(EngineOptions(streamCapacity = 4)).use { small ->
            val options = RequestOptions(maxTokens = 64)
            val paused = CompletableDeferred<Unit>()
            val goOn = CompletableDeferred<Unit>()
            val slowText = StringBuilder()
            var end: Finished? = null
            val slow = launch(Dispatchers.Default) {
                small.chat(STORY, options).collect { event ->
                    slowText.append(event.text)
                    if (event is Finished) end = event
                    paused.complete(Unit)
                    goOn.await()
                }
            }
            paused.await()
            repeat(2) {
                List(4) { async { small.chat("Tell me about the sea.", options).reply() } }.awaitAll()
            }
            // What ran meanwhile is what the stream and the batch in hand hold, not the whole answer.
            assertTrue(slow.isActive)
            assertEquals(1, small.stats().requestsRunning + small.stats().requestsWaiting)
            goOn.complete(Unit)
            slow.join()
            assertEquals(FinishReason.LENGTH, end!!.reason)
            assertEquals(64, end.usage.completionTokens)
            assertTrue(slowText.isNotBlank())
        }
    }

    @Test
    fun `nobody's code runs on the engine's thread`() = runBlocking<Unit> {
        val threads = ConcurrentHashMap.newKeySet<String>()
        launch(Dispatchers.Unconfined) {
            engine.chat("Hello", RequestOptions(maxTokens = 8)).collect { threads += Thread.currentThread().name }
        }.join()
        val withoutDispatcher = CompletableDeferred<Unit>()
        val collect: suspend () -> Unit = {
            engine.chat("Hello", RequestOptions(maxTokens = 8)).collect { threads += Thread.currentThread().name }
            threads += Thread.currentThread().name
        }
        collect.startCoroutine(Continuation(EmptyCoroutineContext) { withoutDispatcher.complete(Unit) })
        withoutDispatcher.await()
        assertTrue(threads.isNotEmpty())
        assertFalse(threads.any { it.startsWith("indwell") }, threads.toString())
    }
}

/** What a queue of one refuses while it is full. */
suspend fun overloadsOf(small: Engine): List<IndwellException.Overloaded> = coroutineScope {
    val running = launch(Dispatchers.Default) { small.chat(STORY, longAnswer).collect {} }
    small.awaitStats { it.requestsRunning == 1 }
    val waiting = launch(Dispatchers.Default) { small.chat(STORY, longAnswer).collect {} }
    small.awaitStats { it.requestsWaiting == 1 }
    val errors = List(3) {
        try {
            small.chat(STORY, longAnswer).reply()
            null
        } catch (refused: IndwellException.Overloaded) {
            refused
        }
    }
    waiting.cancel()
    running.cancel()
    errors.filterNotNull()
}
