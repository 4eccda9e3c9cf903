// The response cache: what is answered again, to whom, for how long, and by one computation for all who ask at once.

package ai.indwell

import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.takeWhile
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import kotlin.random.Random
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

class ResponseCacheTest {
    private val short = RequestOptions(maxTokens = 12)
    private val onlyIfCached = short.copy(cache = CacheMode.ONLY_IF_CACHED)

    @Test
    fun `the same question is answered once`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val options = short.copy(logprobs = true)
            val first = own.chat(STORY, options).reply()
            assertTrue(first.usage.cache != CacheTier.RESPONSE, "${first.usage}")
            val before = own.stats()
            val second = own.chat(STORY, options).reply()
            assertEquals(CacheTier.RESPONSE, second.usage.cache)
            assertEquals(second.usage.promptTokens, second.usage.cachedTokens)
            assertEquals(first.usage.promptTokens to first.usage.completionTokens, second.usage.run { promptTokens to completionTokens })
            assertNull(second.usage.semanticDistance)
            assertEquals(first.text, second.text)
            assertEquals(first.logprobs, second.logprobs)
            assertEquals(12, second.logprobs.size)
            assertEquals(first.finishReason, second.finishReason)

            val after = own.stats()
            assertEquals(before.steps, after.steps)
            assertEquals(before.requestsFinished + 1, after.requestsFinished)
            assertEquals(2L to 1L, after.responseCacheQueries to after.responseCacheHits)
            assertEquals(0.5, after.responseCacheHitRate)
            val kept = own.caches().response
            assertEquals(listOf(1L, 1L, 0L, 0L, 1L, 0L), kept.run { listOf(entries, hits, shared, semanticHits, misses, evictions) })
            assertTrue(kept.bytes in 1..kept.capacityBytes, "$kept")
        }
    }

    @Test
    fun `a stored answer's flow is one text and the end`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val stream = own.complete("One, two, three,", short.copy(logprobs = true))
            val first = stream.reply()
            val (delta, end) = stream.toList().also { assertEquals(2, it.size, "$it") }
            assertEquals(TextDelta(first.text, first.logprobs), delta)
            assertEquals(first.finishReason, (end as Finished).reason)
        }
    }

    @Test
    fun `a seeded answer is kept, a random one is not`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val random = short.copy(temperature = 1.0)
            val (first, second) = List(2) { own.chat(STORY, random.copy(seed = 7)).reply() }
            assertEquals(CacheTier.RESPONSE, second.usage.cache)
            assertEquals(first.text, second.text)
            assertTrue(own.chat(STORY, random.copy(seed = 8)).reply().usage.cache != CacheTier.RESPONSE)
            repeat(2) { assertTrue(own.chat(STORY, random).reply().usage.cache != CacheTier.RESPONSE) }
            assertEquals(2, own.caches().response.entries)
        }
    }

    @Test
    fun `each mode does what it says`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            suspend fun served(mode: CacheMode) = own.chat(STORY, short.copy(cache = mode)).reply().usage.cache
            assertNull(served(CacheMode.BYPASS))
            val error = assertThrows(IndwellException.NotCached::class.java) { runBlocking { own.chat(STORY, onlyIfCached).reply() } }
            assertEquals(ErrorKind.NOT_CACHED, error.kind)
            assertNotNull(error.details.remedy)
            assertEquals(0, own.caches().response.entries)

            assertTrue(served(CacheMode.REFRESH) != CacheTier.RESPONSE)
            assertEquals(1, own.caches().response.entries)
            assertEquals(CacheTier.RESPONSE, served(CacheMode.ONLY_IF_CACHED))
            assertEquals(CacheTier.RESPONSE, served(CacheMode.USE))
            assertNull(served(CacheMode.BYPASS))
            assertTrue(served(CacheMode.REFRESH) != CacheTier.RESPONSE)
            assertEquals(CacheTier.RESPONSE, served(CacheMode.USE))
        }
    }

    @Test
    fun `what must be cached but is random is refused`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val error = assertThrows(IndwellException.InvalidRequest::class.java) {
                runBlocking { own.chat(STORY, onlyIfCached.copy(temperature = 0.8)).reply() }
            }
            assertEquals("cache", error.details.field)
            assertNotNull(error.details.remedy)
        }
    }

    @Test
    fun `an answer is kept for its time`() = runBlocking<Unit> {
        loadKeeping(EngineOptions(responseCacheTtl = 1.hours)).use { own ->
            own.chat("Hello", short).reply()
            assertEquals(CacheTier.RESPONSE, own.chat("Hello", short).reply().usage.cache)
            own.chat("Good evening", short.copy(cacheTtl = 1.milliseconds)).reply()
            own.awaitNotCached("Good evening")
            assertEquals(CacheTier.RESPONSE, own.chat("Hello", onlyIfCached).reply().usage.cache)
        }
        loadKeeping(EngineOptions(responseCacheTtl = 1.milliseconds)).use { own ->
            own.chat("Hello", short.copy(cacheTtl = 1.hours)).reply()
            own.chat("Good evening", short).reply()
            own.awaitNotCached("Good evening")
            assertEquals(CacheTier.RESPONSE, own.chat("Hello", onlyIfCached).reply().usage.cache)
        }
    }

    @Test
    fun `an engine without a response cache keeps nothing`() = runBlocking<Unit> {
        loadSmall(EngineOptions(responseCacheBytes = 0)).use { own ->
            val replies = List(2) { async(Dispatchers.Default) { own.chat("Hello", short).reply() } }.awaitAll() + own.chat("Hello", short).reply()
            assertTrue(replies.none { it.usage.cache == CacheTier.RESPONSE })
            assertThrows(IndwellException.NotCached::class.java) { runBlocking { own.chat("Hello", onlyIfCached).reply() } }
            assertEquals(ResponseCacheStats(0, 0, 0, 0, 0, 0, 0, 0), own.caches().response)
            assertEquals(0.0, own.stats().responseCacheHitRate)
            assertEquals(0, own.invalidateResponses())
        }
    }

    @Test
    fun `salts share answers with nobody but themselves`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val salts = listOf(null, "one", "two")
            for (salt in salts) assertTrue(own.chat(STORY, short.copy(cacheSalt = salt)).reply().usage.cache != CacheTier.RESPONSE, salt)
            for (salt in salts) assertEquals(CacheTier.RESPONSE, own.chat(STORY, short.copy(cacheSalt = salt)).reply().usage.cache, salt)
        }
    }

    @Test
    fun `answers are forgotten when asked, all or those of a salt`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            for (salt in listOf(null, "one", "two")) own.chat("Hello", short.copy(cacheSalt = salt)).reply()
            own.chat("Good evening", short.copy(cacheSalt = "one")).reply()
            assertEquals(2, own.invalidateResponses("one"))
            assertEquals(0, own.invalidateResponses("three"))
            assertThrows(IndwellException.NotCached::class.java) {
                runBlocking { own.chat("Hello", onlyIfCached.copy(cacheSalt = "one")).reply() }
            }
            assertEquals(CacheTier.RESPONSE, own.chat("Hello", onlyIfCached.copy(cacheSalt = "two")).reply().usage.cache)
            assertEquals(2, own.invalidateResponses())
            assertThrows(IndwellException.NotCached::class.java) { runBlocking { own.chat("Hello", onlyIfCached).reply() } }
            assertEquals(0, own.caches().response.entries)
            val error = assertThrows(IndwellException.InvalidRequest::class.java) { runBlocking { own.invalidateResponses("") } }
            assertEquals("cacheSalt", error.details.field)
        }
    }

    @Test
    fun `sixty-four flows of one question are one computation`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val options = RequestOptions(maxTokens = 96, logprobs = true)
            val ends = List(64) {
                async(Dispatchers.Default) {
                    val events = own.chat(STORY, options).toList()
                    Triple(events.joinToString("") { it.text }, events.filterIsInstance<TextDelta>().flatMap { it.logprobs }, events.last() as Finished)
                }
            }.awaitAll()
            assertEquals(1, ends.count { it.third.usage.cache != CacheTier.RESPONSE })
            assertEquals(1, ends.map { (text, logprobs, end) -> Triple(text, logprobs, end.reason) }.distinct().size)
            assertEquals(96, ends.first().second.size)
            val counted = own.caches().response
            assertEquals(63L to 1L, counted.hits + counted.shared to counted.misses)
            assertTrue(counted.shared > 0, "$counted")
            assertEquals(96, own.stats().completionTokens)
        }
    }

    @Test
    fun `who cancels leaves the answers of the others whole`() = runBlocking<Unit> {
        val seed = Random.nextInt()
        val random = Random(seed)
        loadKeeping().use { own ->
            val options = RequestOptions(maxTokens = 96)
            val whole = own.chat(STORY, options.copy(cache = CacheMode.BYPASS)).reply().text
            repeat(3) { round ->
                val leaving = List(64) { index -> index == 0 || random.nextInt(3) == 0 }
                val asking = ArrayList<Deferred<String>>()
                for (leaves in leaving) {
                    var left = if (leaves) random.nextInt(1, 40) else Int.MAX_VALUE
                    val flow = own.chat(STORY, options.copy(cacheSalt = "$round")).takeWhile { left-- > 0 }
                    asking += async(Dispatchers.Default) { flow.toList().joinToString("") { it.text } }
                    // The first one computes for all, and is among those that leave.
                    if (asking.size == 1) own.awaitStats { it.requestsRunning == 1 || asking[0].isCompleted }
                }
                val texts = asking.awaitAll()
                for ((leaves, text) in leaving zip texts) {
                    if (leaves) assertTrue(whole.startsWith(text), "seed $seed: $text") else assertEquals(whole, text, "seed $seed")
                }
            }
            assertEquals(0, own.awaitStats { it.requestsRunning == 0 }.requestsFailed)
        }
    }

    @Test
    fun `who follows is cancelled as any other, and waits for nobody`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val leader = async(Dispatchers.Default) { own.chat(STORY, longAnswer).reply() }
            own.awaitStats { it.requestsRunning == 1 }
            val follower = launch(Dispatchers.Default) { own.chat(STORY, longAnswer).collect {} }
            own.awaitCaches { it.response.shared == 1L }
            follower.cancel()
            follower.join()
            assertTrue(leader.isActive, "the answer was there: this test is too slow")
            assertEquals(1, own.awaitStats { it.requestsCancelled > 0 }.requestsCancelled)
            assertTrue(leader.await().text.isNotBlank())
        }
    }

    @Test
    fun `answers outlive their engine in a folder`(@TempDir folder: Path) = runBlocking<Unit> {
        val options = EngineOptions(responseCacheDir = folder.resolve("answers").toString())
        val first = loadKeeping(options).use { own -> own.chat(STORY, short.copy(logprobs = true)).reply() }
        loadKeeping(options).use { own ->
            val second = own.chat(STORY, short.copy(logprobs = true, cache = CacheMode.ONLY_IF_CACHED)).reply()
            assertEquals(first.text to first.logprobs, second.text to second.logprobs)
            assertEquals(CacheTier.RESPONSE, second.usage.cache)
            assertEquals(1, own.invalidateResponses())
        }
        loadKeeping(options).use { own ->
            assertThrows(IndwellException.NotCached::class.java) { runBlocking { own.chat(STORY, onlyIfCached).reply() } }
        }
    }

    @Test
    fun `a folder of answers has one engine at a time`(@TempDir folder: Path) = runBlocking<Unit> {
        val options = EngineOptions(responseCacheDir = folder.toString())
        val one = loadKeeping(options)
        val error = assertThrows(IndwellException.Io::class.java) { runBlocking { loadKeeping(options) } }
        assertTrue("$folder" in error.message, error.message)
        assertNotNull(error.details.remedy)
        assertServes(one)
        one.close()
        loadKeeping(options).close()
    }

    private suspend fun Engine.awaitNotCached(message: String) = withTimeout(2.minutes) {
        while (true) {
            try {
                chat(message, onlyIfCached).reply()
                delay(1.milliseconds)
            } catch (_: IndwellException.NotCached) {
                break
            }
        }
    }
}
