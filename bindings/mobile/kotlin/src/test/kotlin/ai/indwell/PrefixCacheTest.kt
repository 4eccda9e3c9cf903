// The prefix cache: what is found again, by whom, and the handle of a prefix that is kept.

package ai.indwell

import ai.indwell.ffi.NativeEngine
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

/** Prompts that share only their first words share these tokens too, so most tests have an engine of their own. */
class PrefixCacheTest {
    @Test
    fun `a prompt that begins as another one is computed from there on`() = runBlocking<Unit> {
        loadSmall().use { own ->
            val before = own.stats()
            val first = own.ask("llamas", "What is a llama?")
            assertEquals(0, first.cachedTokens)
            assertNull(first.cache)
            val second = own.ask("llamas", "Where do they live?")
            assertTrue(second.cachedTokens in 250..<second.promptTokens, "$second")
            assertEquals(CacheTier.RESIDENT, second.cache)
            val after = own.stats()
            assertEquals(before.prefixCacheHits + second.cachedTokens, after.prefixCacheHits)
            assertEquals(before.prefixCacheQueries + first.promptTokens + second.promptTokens, after.prefixCacheQueries)
            val share = after.prefixCacheHits.toDouble() / after.prefixCacheQueries
            assertEquals(share, after.prefixCacheHitRate, 1e-9)
        }
    }

    @Test
    fun `a request that bypasses the cache neither finds nor leaves anything`() = runBlocking<Unit> {
        loadSmall().use { own ->
            val bypass = RequestOptions(cache = CacheMode.BYPASS)
            own.ask("camels", "What is a camel?", bypass)
            assertEquals(0, own.ask("camels", "What is a camel?").cachedTokens)
            val bypassed = own.ask("camels", "What is a camel?", bypass)
            assertEquals(0, bypassed.cachedTokens)
            assertNull(bypassed.cache)
            assertTrue(own.ask("camels", "What is a camel?", RequestOptions(cache = CacheMode.USE)).cachedTokens > 250)
        }
    }

    @Test
    fun `salts share with nobody but themselves`() = runBlocking<Unit> {
        loadSmall().use { own ->
            val salts = listOf(null, "one", "two", "ů")
            for (salt in salts) assertEquals(0, own.ask("sheep", "Who?", RequestOptions(cacheSalt = salt)).cachedTokens, salt)
            for (salt in salts) assertTrue(own.ask("sheep", "Who?", RequestOptions(cacheSalt = salt)).cachedTokens > 250, salt)
        }
    }

    @Test
    fun `a prefix that is kept serves the first chat that begins with it`() = runBlocking<Unit> {
        loadSmall().use { own ->
            own.cachePrefix(listOf(instructions("goats"))).use { prefix ->
                assertTrue(prefix.tokens > 250)
                assertEquals("CachedPrefix(${prefix.tokens} tokens)", "$prefix")
                own.awaitCaches { it.pinnedTokens == prefix.tokens.toLong() }
                val usage = own.ask("goats", "What is a goat?")
                assertTrue(usage.cachedTokens >= prefix.tokens, "$usage")
            }
            own.awaitCaches { it.pinnedTokens == 0L }
        }
    }

    @Test
    fun `a prefix is unpinned once, however often it is let go of`() = runBlocking<Unit> {
        loadSmall().use { own ->
            val (one, two) = List(2) { own.cachePrefix(listOf(instructions("goats"))) }
            repeat(2) { one.unpin() }
            one.close()
            own.ask("goats", "What is a goat?")
            assertEquals(two.tokens.toLong(), own.caches().pinnedTokens, "the other one keeps it")
            two.close()
            own.awaitCaches { it.pinnedTokens == 0L }
            assertEquals(one.tokens, two.tokens)
        }
    }

    @Test
    fun `a prefix may be a user's message, and have a salt and a deadline`() = runBlocking<Unit> {
        loadSmall().use { own ->
            val text = "Tell me about donkeys. ".repeat(60)
            own.cachePrefix(text, cacheSalt = "one", timeout = 5.minutes).use { prefix ->
                suspend fun cached(salt: String?) =
                    own.chat(text, RequestOptions(maxTokens = 1, cacheSalt = salt)).reply().usage.cachedTokens
                assertEquals(0, cached(null))
                assertTrue(cached("one") >= prefix.tokens)
            }
            own.cachePrefix("Hello", timeout = Duration.INFINITE).close()
        }
    }

    @Test
    fun `cancelling a coroutine gives the prefix up within one step`() = runBlocking<Unit> {
        loadSmall(slowly).use { own ->
            val job = launch(Dispatchers.Default) { own.cachePrefix(promptOf(1800)) }
            own.awaitStats { it.requestsRunning == 1 && it.steps >= 2 }
            job.cancel()
            assertGivenUp(own)
            job.join()
            assertServes(own)
        }
    }

    @Test
    fun `giving a prefix up does not wait for a busy thread`() = runBlocking<Unit> {
        val release = CountDownLatch(1)
        loadSmall(slowly).use { own ->
            Executors.newSingleThreadExecutor().asCoroutineDispatcher().use { thread ->
                val job = launch(thread) { own.cachePrefix(promptOf(1800)) }
                own.awaitStats { it.requestsRunning == 1 && it.steps >= 2 }
                val busy = CompletableDeferred<Unit>()
                launch(thread) {
                    busy.complete(Unit)
                    release.await()
                }
                busy.await()
                try {
                    job.cancel()
                    assertGivenUp(own)
                } finally {
                    release.countDown()
                }
                job.join()
            }
        }
    }

    @Test
    fun `whoever leaves while a prefix becomes ready keeps nothing`() = runBlocking<Unit> {
        loadSmall().use { own ->
            // Each has what it needs in the cache but its last tokens, so that it is ready at about the timeout.
            own.cachePrefix(listOf(instructions("elk"))).close()
            val rounds = (1..60).map { round ->
                async(Dispatchers.Default) {
                    try {
                        withTimeout((round % 20).milliseconds) { own.cachePrefix(listOf(instructions("elk"))) }.close()
                    } catch (_: TimeoutCancellationException) {
                    }
                }
            }
            rounds.awaitAll()
            own.ask("elk", "What is an elk?")
            assertEquals(0, own.awaitCaches { it.pinnedTokens == 0L }.pinnedTokens)
            assertEquals(0, own.stats().requestsRunning)
        }
    }

    @Test
    fun `a prefix that nobody holds is unpinned by the garbage collector`() = runBlocking<Unit> {
        loadSmall().use { own ->
            own.cachePrefixAndForget()
            withTimeout(2.minutes) {
                while (own.caches().pinnedTokens > 0) {
                    System.gc()
                    delay(20.milliseconds)
                }
            }
        }
    }

    @Test
    fun `a prefix outlives its engine harmlessly`() = runBlocking<Unit> {
        val own = loadSmall()
        val prefix = own.cachePrefix(listOf(instructions("deer")))
        own.close()
        assertTrue(prefix.tokens > 250)
        prefix.unpin()
        assertThrows(IndwellException.EngineClosed::class.java) { runBlocking { own.cachePrefix("Hello") } }
    }

    @Test
    fun `closing an engine ends who waits for a prefix`() = runBlocking<Unit> {
        val own = loadSmall(slowly)
        val waiting = async(Dispatchers.Default) { runCatching { own.cachePrefix(promptOf(1800)) } }
        own.awaitStats { it.requestsRunning == 1 }
        own.close()
        assertTrue(waiting.await().exceptionOrNull() is IndwellException.EngineClosed, "${waiting.await()}")
    }

    @Test
    fun `a native prefix that is cancelled while it is waited for says so`() = runBlocking<Unit> {
        val native = NativeEngine.load(testModel, slowly.copy(contextTokens = 2048, threads = 1).toNative(), null)
        val prefix = native.cachePrefix(listOf(user(promptOf(1800)).toNative(0)), null, null)
        val waiting = async(Dispatchers.Default) { runCatching { callNative { prefix.cached() } } }
        prefix.cancel()
        assertTrue(waiting.await().exceptionOrNull() is IndwellException.Cancelled, "${waiting.await()}")
        prefix.destroy()
        native.destroy()
    }

    @Test
    fun `what is no prefix is refused`() = runBlocking<Unit> {
        assertRefused("messages") { engine.cachePrefix(emptyList()) }
        assertRefused("cacheSalt") { engine.cachePrefix("Hello", cacheSalt = "") }
        assertRefused("timeout") { engine.cachePrefix("Hello", timeout = Duration.ZERO) }
        assertRefused("bytes") { engine.trim(-1) }
        assertThrows(IndwellException.ContextOverflow::class.java) {
            runBlocking { engine.cachePrefix(promptOf(4000)) }
        }
        assertThrows(IndwellException.DeadlineExceeded::class.java) {
            runBlocking { engine.cachePrefix(promptOf(1500), timeout = 1.milliseconds) }
        }
        assertServes(engine)
    }

    @Test
    fun `an engine without a prefix cache keeps none`() = runBlocking<Unit> {
        loadSmall(EngineOptions(prefixCacheTokens = 0)).use { own ->
            val error = assertThrows(IndwellException.Unsupported::class.java) {
                runBlocking { own.cachePrefix(listOf(instructions("mules"))) }
            }
            assertNotNull(error.details.remedy)
            repeat(2) { assertEquals(0, own.ask("mules", "What is a mule?").cachedTokens) }
            assertEquals(0L, own.stats().prefixCacheQueries)
            assertEquals(0.0, own.stats().prefixCacheHitRate)
            assertEquals(0L, own.caches().resident.capacityBytes)
        }
    }

    @Test
    fun `trimming gives memory back`() = runBlocking<Unit> {
        loadSmall().use { own ->
            own.ask("moose", "What is a moose?")
            val saved = own.awaitCaches { it.host.bytes > 0 }
            assertTrue(saved.host.capacityBytes >= saved.host.bytes, "$saved")
            assertEquals(0L, own.trim(0))
            assertTrue(own.trim(Long.MAX_VALUE) > 0)
            // What had not been saved by then may be saved once, between requests; what was given
            // back is not.
            repeat(own.caches().resident.entries.toInt() + 1) {
                own.trim(Long.MAX_VALUE)
                own.ask("moose", "What is a moose?", RequestOptions(cache = CacheMode.BYPASS))
            }
            val after = own.caches().host
            assertEquals(0L to 0L, after.entries to after.bytes)
        }
    }

    /** An engine that takes many steps for a prompt. */
    private val slowly get() = EngineOptions(batchTokens = 32, prefillChunkTokens = 32)

    private suspend fun assertGivenUp(own: Engine) {
        val atCancel = own.stats().steps
        val free = own.awaitStats { it.requestsRunning == 0 }
        assertTrue(free.steps - atCancel <= 1, "${free.steps - atCancel} steps")
        assertEquals(1, own.awaitStats { it.requestsCancelled > 0 }.requestsCancelled)
        assertEquals(0, own.caches().pinnedTokens)
    }

    private inline fun assertRefused(field: String, crossinline call: suspend () -> Any) {
        val error = assertThrows(IndwellException.InvalidRequest::class.java) { runBlocking { call() } }
        assertEquals(field, error.details.field)
        assertNotNull(error.details.remedy)
    }

    private suspend fun Engine.cachePrefixAndForget() {
        assertTrue(cachePrefix(listOf(instructions("ibexes"))).tokens > 250)
        awaitCaches { it.pinnedTokens > 250 }
    }

    private suspend fun Engine.ask(
        topic: String,
        question: String,
        options: RequestOptions = RequestOptions(),
    ): Usage = chat(listOf(instructions(topic), user(question)), options.copy(maxTokens = 4)).reply().usage

    /** Instructions of a few hundred tokens, which begin with [topic]. */
    private fun instructions(topic: String): Message =
        system("You know everything about $topic. " + "Answer in one short sentence, and say so where you do not know. ".repeat(20))
}
