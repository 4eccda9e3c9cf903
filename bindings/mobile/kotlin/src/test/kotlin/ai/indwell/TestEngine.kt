// The engine that most tests share, and how they wait for it without sleeping.

package ai.indwell

import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

/** The model that tests load: a path, or the default alias. */
val testModel: String = System.getenv("INDWELL_TEST_MODEL")?.takeIf { it.isNotEmpty() } ?: "smollm2-135m"

/** Shared by all tests that leave an engine as they found it. */
val engine: Engine by lazy { runBlocking { loadSmall() } }

/**
 * Loads an engine for tests that need one of their own.
 *
 * It computes on one thread: several wait for each other at every layer of the model, and where something else runs
 * on the machine, as in a test run, that takes many times as long. And it keeps no answers, unless [options] say
 * otherwise: most tests that ask the same again mean to have it computed.
 */
suspend fun loadSmall(options: EngineOptions = EngineOptions()): Engine = Engine.load(
    testModel,
    options.copy(
        contextTokens = options.contextTokens ?: 2048,
        threads = 1,
        responseCacheBytes = options.responseCacheBytes ?: 0,
    ),
)

/** Loads an engine that keeps answers, otherwise as [loadSmall]. */
suspend fun loadKeeping(options: EngineOptions = EngineOptions()): Engine =
    loadSmall(options.copy(responseCacheBytes = options.responseCacheBytes ?: (8L shl 20)))

/** Polls the counters until [condition] holds, and returns them. Fails after two minutes. */
suspend fun Engine.awaitStats(condition: (EngineStats) -> Boolean): EngineStats = withTimeout(2.minutes) {
    var stats = stats()
    while (!condition(stats)) {
        delay(1.milliseconds)
        stats = stats()
    }
    stats
}

/** Polls what is cached until [condition] holds, and returns it. Fails after two minutes. */
suspend fun Engine.awaitCaches(condition: (CacheStats) -> Boolean): CacheStats = withTimeout(2.minutes) {
    var caches = caches()
    while (!condition(caches)) {
        delay(1.milliseconds)
        caches = caches()
    }
    caches
}

/** An answer that takes long and is the same every time. */
val longAnswer = RequestOptions(maxTokens = 400)

const val STORY = "Write a long story about a lighthouse keeper and the sea."

/** A prompt of about [tokens] tokens. */
fun promptOf(tokens: Int): String = "The quick brown fox jumps over the lazy dog. ".repeat(tokens / 10)
