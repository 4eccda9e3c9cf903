// Semantic mode: whose answer is served, and that nothing that the caller's functions do harms more than their request.

package ai.indwell

import ai.indwell.ffi.FfiConverterTypeNativeSemanticFunctions
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.util.Collections
import java.util.concurrent.CountDownLatch
import java.util.concurrent.atomic.AtomicInteger
import kotlin.coroutines.cancellation.CancellationException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

class SemanticTest {
    private val asked = "Where do llamas live?"

    /** The same letters in another order: the same vector. */
    private val askedOtherwise = "Do llamas live where?"

    @Test
    fun `the answer to a question that means the same is served`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val matches = Collections.synchronizedList(ArrayList<SemanticMatch>())
            val semantic = semantic(verify = { matches += it; true })
            val first = own.ask(asked, semantic)
            assertTrue(first.usage.cache != CacheTier.SEMANTIC, "${first.usage}")
            val second = own.ask(askedOtherwise, semantic)
            assertEquals(first.text, second.text)
            val usage = second.usage
            assertEquals(CacheTier.SEMANTIC to usage.promptTokens, usage.cache to usage.cachedTokens)
            assertEquals(0f, usage.semanticDistance!!, 1e-6f)
            assertEquals(listOf(SemanticMatch(askedOtherwise, asked, first.text, usage.semanticDistance)), matches)
            assertEquals(1, own.caches().response.semanticHits)
            assertEquals(2L to 1L, own.stats().run { responseCacheQueries to responseCacheHits })
            val cached = own.ask(askedOtherwise, semantic, RequestOptions(cache = CacheMode.ONLY_IF_CACHED))
            assertEquals(CacheTier.SEMANTIC, cached.usage.cache)
        }
    }

    @Test
    fun `a chat is embedded as its messages, a line each`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val prompts = Collections.synchronizedList(ArrayList<String>())
            val semantic = semantic(embed = { prompts += it; letters(it) })
            own.chat(listOf(system("Be brief."), user("Hello")), RequestOptions(maxTokens = 2, semantic = semantic)).reply()
            assertEquals(listOf("system: Be brief.\nuser: Hello"), prompts)
        }
    }

    @Test
    fun `the same question, and one that need not be cached, ask no function`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val calls = AtomicInteger()
            val semantic = semantic(embed = { calls.incrementAndGet(); letters(it) })
            own.ask(asked, semantic)
            assertEquals(CacheTier.RESPONSE, own.ask(asked, semantic).usage.cache)
            own.ask(askedOtherwise, semantic, RequestOptions(cache = CacheMode.BYPASS))
            own.ask(askedOtherwise, semantic, RequestOptions(cache = CacheMode.REFRESH))
            own.ask("What is a lion?", semantic, RequestOptions(temperature = 1.0))
            assertEquals(1, calls.get())
        }
    }

    @Test
    fun `a question that is too far, of another salt, or that the verifier declines is computed`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            own.ask(asked, semantic())
            assertComputed(own.ask("Pizza? Buzz!", semantic(distanceMax = 0.01)))
            assertComputed(own.ask(askedOtherwise, semantic(), RequestOptions(cacheSalt = "one")))
            assertComputed(own.ask(askedOtherwise, semantic(), RequestOptions(seed = 1, temperature = 0.5)))
            val declined = AtomicInteger()
            assertComputed(own.ask(askedOtherwise, semantic(verify = { declined.incrementAndGet(); false })))
            assertEquals(1, declined.get())
        }
    }

    @TestFactory
    fun `a function that fails costs its request nothing but time`(): List<DynamicTest> = listOf<Pair<String, suspend () -> Nothing>>(
        "an exception" to { error("a mistake of the caller's") },
        "an error" to { throw AssertionError("a mistake of the caller's") },
        "a stack that is full" to { overflow() },
        "a cancellation" to { throw CancellationException("by the function itself") },
        "half of a surrogate pair" to { error("\uD800") },
        "an exception without words" to { throw Wordless() },
    ).flatMap { (name, failing) ->
        listOf(
            dynamicTest("$name in embed") { assertComputedAfter(semantic(embed = { failing() })) },
            dynamicTest("$name in verify") { assertComputedAfter(semantic(verify = { failing() })) },
        )
    }

    @TestFactory
    fun `a vector that is none costs its request nothing but time`(): List<DynamicTest> = listOf(
        "none" to floatArrayOf(),
        "all zero" to FloatArray(26),
        "not a number" to FloatArray(26) { Float.NaN },
        "infinite" to FloatArray(26) { Float.POSITIVE_INFINITY },
        "of another length" to FloatArray(25) { 1f },
    ).map { (name, vector) ->
        dynamicTest(name) { assertComputedAfter(semantic(embed = { vector })) }
    }

    @Test
    fun `a function that blocks is given up when its time is over`() = runBlocking<Unit> {
        val release = CountDownLatch(1)
        val returned = CompletableDeferred<Unit>()
        val block = {
            release.await()
            returned.complete(Unit)
            Unit
        }
        try {
            loadKeeping().use { own ->
                own.ask(asked, semantic())
                assertComputed(own.ask(askedOtherwise, semantic(embed = { block(); letters(it) }, timeout = 20.milliseconds)))
                assertComputed(own.ask("Live, do llamas? Where?", semantic(verify = { block(); true }, timeout = 20.milliseconds)))
                assertServes(own)
            }
        } finally {
            release.countDown()
        }
        withTimeout(2.minutes) { returned.await() }
    }

    @Test
    fun `a function that suspends is cancelled when its time is over`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val ended = CompletableDeferred<Unit>()
            val embed: suspend (String) -> FloatArray = {
                try {
                    awaitCancellation()
                } finally {
                    ended.complete(Unit)
                }
            }
            assertComputed(own.ask(asked, semantic(embed = embed, timeout = 20.milliseconds)))
            withTimeout(2.minutes) { ended.await() }
        }
    }

    @Test
    fun `a verifier may ask the engine itself`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val verify: suspend (SemanticMatch) -> Boolean = { match ->
                own.complete("${match.asked} ${match.found}", RequestOptions(maxTokens = 2)).reply().text.isNotEmpty()
            }
            val semantic = semantic(verify = verify, timeout = 2.minutes)
            own.ask(asked, semantic)
            assertEquals(CacheTier.SEMANTIC, own.ask(askedOtherwise, semantic).usage.cache)
        }
    }

    @Test
    fun `functions run on threads of their own, which keep nothing alive`() = runBlocking<Unit> {
        loadKeeping().use { own ->
            val threads = Collections.synchronizedList(ArrayList<Thread>())
            val semantic = semantic(
                embed = { threads += Thread.currentThread(); letters(it) },
                verify = { threads += Thread.currentThread(); true },
            )
            own.ask(asked, semantic)
            own.ask(askedOtherwise, semantic)
            assertEquals(3, threads.size)
            assertTrue(threads.all { it.isDaemon && it.name == "indwell-asking" }, "$threads")
        }
    }

    @Test
    fun `a request that is cancelled waits for no function`() = runBlocking<Unit> {
        val release = CountDownLatch(1)
        loadKeeping().use { own ->
            val inside = CompletableDeferred<Unit>()
            val embed: suspend (String) -> FloatArray = {
                inside.complete(Unit)
                release.await()
                letters(it)
            }
            val request = async(Dispatchers.Default) { own.ask(asked, semantic(embed = embed, timeout = 5.minutes)) }
            inside.await()
            request.cancel()
            request.join()
            try {
                assertEquals(1, own.awaitStats { it.requestsCancelled > 0 }.requestsCancelled)
            } finally {
                release.countDown()
            }
        }
    }

    @Test
    fun `many requests ask at once, and their functions are let go of afterwards`() = runBlocking<Unit> {
        val held = FfiConverterTypeNativeSemanticFunctions.handleMap
        loadKeeping().use { own ->
            val semantic = semantic(timeout = 2.minutes)
            val replies = List(32) { async(Dispatchers.Default) { own.ask("Question $it about ${"xyz"[it % 3]}", semantic) } }.awaitAll()
            assertTrue(replies.all { it.text.isNotEmpty() })
        }
        withTimeout(2.minutes) { while (held.size > 0) delay(1.milliseconds) }
    }

    private class Wordless : RuntimeException() {
        override val message: String get() = error("no words either")
    }

    private fun overflow(): Nothing = overflow()

    /** That a request with [failing] functions is computed, and that nobody else sees anything of them. */
    private fun assertComputedAfter(failing: Semantic): Unit = runBlocking {
        loadKeeping().use { own ->
            own.ask(asked, semantic())
            assertComputed(own.ask(askedOtherwise, failing))
            assertEquals(0, own.caches().response.semanticHits)
            assertEquals(CacheTier.RESPONSE, own.ask(askedOtherwise, failing).usage.cache)
            assertEquals(CacheTier.SEMANTIC, own.ask("Live, do llamas? Where?", semantic()).usage.cache)
        }
    }

    private fun assertComputed(reply: Reply) {
        assertTrue(reply.usage.cache != CacheTier.SEMANTIC && reply.usage.cache != CacheTier.RESPONSE, "${reply.usage}")
        assertNull(reply.usage.semanticDistance)
        assertTrue(reply.text.isNotEmpty())
    }

    private fun semantic(
        distanceMax: Double = 0.1,
        embed: suspend (String) -> FloatArray = ::letters,
        verify: suspend (SemanticMatch) -> Boolean = { true },
        timeout: Duration = 1.minutes,
    ): Semantic = Semantic(distanceMax, embed, verify, timeout)

    /** How often each letter is there: a stand-in for an embedding. */
    private fun letters(text: String): FloatArray {
        val counts = FloatArray(26)
        for (letter in text.lowercase()) if (letter in 'a'..'z') counts[letter - 'a']++
        return counts
    }

    private suspend fun Engine.ask(prompt: String, semantic: Semantic, options: RequestOptions = RequestOptions()): Reply =
        complete(prompt, options.copy(maxTokens = 6, semantic = semantic)).reply()
}
