// Cancelling: every way a coroutine can leave frees its request's place within one step, wherever the request is.

package ai.indwell

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExecutorCoroutineDispatcher
import kotlinx.coroutines.Job
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds

class CancelTest {
    @Test
    fun `cancelling a coroutine while it is answered frees its sequence within one step`() = runBlocking<Unit> {
        val reading = CompletableDeferred<Unit>()
        val job = launch(Dispatchers.Default) {
            var events = 0
            engine.chat(STORY, longAnswer).collect { if (++events == 3) reading.complete(Unit) }
        }
        reading.await()
        assertFreesWithinOneStep(engine, job)
    }

    @Test
    fun `cancelling a coroutine while its prompt is read frees its sequence within one step`() = runBlocking<Unit> {
        loadSmall(EngineOptions(batchTokens = 32, prefillChunkTokens = 32)).use { small ->
            val events = AtomicInteger()
            val job = launch(Dispatchers.Default) {
                small.complete(promptOf(1800), longAnswer).collect { events.incrementAndGet() }
            }
            small.awaitStats { it.requestsRunning == 1 && it.steps >= 2 }
            assertFreesWithinOneStep(small, job)
            assertEquals(0, events.get(), "the answer had begun: this test is too slow")
            assertServes(small)
        }
    }

    @Test
    fun `cancelling does not wait for a busy collector`() = runBlocking<Unit> {
        val release = CountDownLatch(1)
        oneThread { thread ->
            val busy = CompletableDeferred<Unit>()
            val job = launch(thread) {
                engine.chat(STORY, longAnswer).collect {
                    busy.complete(Unit)
                    release.await()
                }
            }
            busy.await()
            try {
                assertFreesWithinOneStep(engine, job, join = false)
            } finally {
                release.countDown()
            }
            job.join()
        }
    }

    @Test
    fun `no event follows a cancellation`() = runBlocking<Unit> {
        val events = AtomicInteger()
        lateinit var job: Job
        job = launch(Dispatchers.Default, CoroutineStart.LAZY) {
            engine.chat(STORY, longAnswer).collect { if (events.incrementAndGet() == 4) job.cancel() }
        }
        job.join()
        assertEquals(4, events.get())
        engine.awaitStats { it.requestsRunning == 0 }
    }

    @Test
    fun `taking the first events cancels the rest`() = runBlocking<Unit> {
        val before = engine.stats().requestsCancelled
        assertEquals(3, engine.chat(STORY, longAnswer).take(3).toList().size)
        val after = engine.awaitStats { it.requestsRunning == 0 }
        assertEquals(before + 1, after.requestsCancelled)
    }

    @Test
    fun `an exception of the collector cancels the request and is thrown`() = runBlocking<Unit> {
        val before = engine.stats().requestsCancelled
        assertThrows(ArithmeticException::class.java) {
            runBlocking { engine.chat(STORY, longAnswer).collect { throw ArithmeticException() } }
        }
        assertEquals(before + 1, engine.awaitStats { it.requestsRunning == 0 }.requestsCancelled)
    }

    @Test
    fun `a timeout of the coroutine cancels the request`() = runBlocking<Unit> {
        // Without a prefix cache, only what runs uses cells.
        loadSmall(EngineOptions(prefixCacheTokens = 0)).use { small ->
            val before = small.stats()
            val options = longAnswer.copy(maxTokens = 1500)
            assertThrows(TimeoutCancellationException::class.java) {
                runBlocking { withTimeout(50.milliseconds) { small.chat(STORY, options).reply() } }
            }
            val after = small.awaitStats { it.requestsRunning == 0 && it.requestsWaiting == 0 }
            assertEquals(before.requestsCancelled + 1, after.requestsCancelled)
            assertEquals(before.cellsUsed, after.cellsUsed)
        }
    }

    @Test
    fun `a request that waits in the queue is cancelled there`() = runBlocking<Unit> {
        loadSmall(EngineOptions(sequencesMax = 1)).use { small ->
            val running = launch(Dispatchers.Default) { small.chat(STORY, longAnswer).collect {} }
            small.awaitStats { it.requestsRunning == 1 }
            val waiting = launch(Dispatchers.Default) { small.chat(STORY, longAnswer).collect {} }
            small.awaitStats { it.requestsWaiting == 1 }
            waiting.cancel()
            small.awaitStats { it.requestsWaiting == 0 }
            running.cancel()
            small.awaitStats { it.requestsRunning == 0 }
            assertServes(small)
        }
    }

    /** Cancels [job] and counts the steps that the engine makes until its sequence is free. */
    private suspend fun assertFreesWithinOneStep(engine: Engine, job: Job, join: Boolean = true) {
        val cancelled = engine.stats().requestsCancelled
        job.cancel()
        val atCancel = engine.stats().steps
        val free = engine.awaitStats { it.requestsRunning == 0 }
        assertTrue(free.steps - atCancel <= 1, "${free.steps - atCancel} steps")
        assertEquals(cancelled + 1, engine.awaitStats { it.requestsCancelled > cancelled }.requestsCancelled)
        if (join) job.join()
    }

    private inline fun oneThread(test: (ExecutorCoroutineDispatcher) -> Unit) =
        Executors.newSingleThreadExecutor().asCoroutineDispatcher().use(test)
}
