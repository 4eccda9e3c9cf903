// Bad input: a typed error that names the field, the value, the limit and the remedy, and an engine that goes on.

package ai.indwell

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.createFile
import kotlin.io.path.writeText
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class BadInputTest {
    @TestFactory
    fun `an option out of its range is refused`(): List<DynamicTest> = listOf(
        Triple("maxTokens", "0", RequestOptions(maxTokens = 0)),
        Triple("maxTokens", "-1", RequestOptions(maxTokens = -1)),
        Triple("maxTokens", "-2147483648", RequestOptions(maxTokens = Int.MIN_VALUE)),
        Triple("temperature", "NaN", RequestOptions(temperature = Double.NaN)),
        Triple("temperature", "-0.1", RequestOptions(temperature = -0.1)),
        Triple("temperature", "inf", RequestOptions(temperature = Double.POSITIVE_INFINITY)),
        Triple("topK", "-1", RequestOptions(topK = -1)),
        Triple("topP", "0", RequestOptions(topP = 0.0)),
        Triple("topP", "1.5", RequestOptions(topP = 1.5)),
        Triple("topP", "NaN", RequestOptions(topP = Double.NaN)),
        Triple("minP", "-0.5", RequestOptions(minP = -0.5)),
        Triple("minP", "NaN", RequestOptions(minP = Double.NaN)),
        Triple("seed", "-1", RequestOptions(seed = -1)),
        Triple("seed", "4294967295", RequestOptions(seed = 4_294_967_295)),
        Triple("stop", "", RequestOptions(stop = listOf("fine", ""))),
        Triple("stop", "65", RequestOptions(stop = List(65) { "stop $it" })),
        Triple("stop", "10000", RequestOptions(stop = List(10_000) { "stop $it" })),
        Triple("minTokens", "-1", RequestOptions(minTokens = -1)),
        Triple("stopTokens", "", RequestOptions(stopTokens = listOf(-1))),
        Triple("n", "0", RequestOptions(n = 0)),
        Triple("n", "129", RequestOptions(n = 129)),
        Triple("bestOf", "2", RequestOptions(n = 3, bestOf = 2)),
        Triple("topLogprobs", "21", RequestOptions(logprobs = true, topLogprobs = 21)),
        Triple("topLogprobs", "-1", RequestOptions(logprobs = true, topLogprobs = -1)),
        Triple("dynatempRange", "-1", RequestOptions(dynatempRange = -1.0)),
        Triple("typicalP", "NaN", RequestOptions(typicalP = Double.NaN)),
        Triple("xtcProbability", "1.5", RequestOptions(xtcProbability = 1.5)),
        Triple("dryMultiplier", "-1", RequestOptions(dryMultiplier = -1.0)),
        Triple("repeatPenalty", "0", RequestOptions(repeatPenalty = 0.0)),
        Triple("repeatLastN", "-2", RequestOptions(repeatLastN = -2)),
        Triple("presencePenalty", "inf", RequestOptions(presencePenalty = Double.POSITIVE_INFINITY)),
        Triple("frequencyPenalty", "NaN", RequestOptions(frequencyPenalty = Double.NaN)),
        Triple("mirostat", "3", RequestOptions(mirostat = 3)),
        Triple("logitBias", "49152000", RequestOptions(logitBias = listOf(LogitBias.Token(49_152_000, 1.0)))),
        Triple("logitBias", "-1", RequestOptions(logitBias = listOf(LogitBias.Token(-1, null)))),
        Triple("logitBias", "NaN", RequestOptions(logitBias = listOf(LogitBias.Token(5, Double.NaN)))),
        Triple("bannedStrings", "", RequestOptions(bannedStrings = listOf(""))),
        Triple("timeout", "0", RequestOptions(timeout = Duration.ZERO)),
        Triple("timeout", "-5", RequestOptions(timeout = (-5).milliseconds)),
        Triple("cacheSalt", "", RequestOptions(cacheSalt = "")),
        Triple("cacheSalt", "sss", RequestOptions(cacheSalt = "s".repeat(1025))),
        Triple("cacheTtl", "0", RequestOptions(cacheTtl = Duration.ZERO)),
        Triple("cacheTtl", "-5", RequestOptions(cacheTtl = (-5).milliseconds)),
        Triple("cacheTtl", "inf", RequestOptions(cacheTtl = Duration.INFINITE)),
        Triple("cache", "only_if_cached", RequestOptions(cache = CacheMode.ONLY_IF_CACHED, temperature = 0.5)),
        Triple("semantic", "distanceMax of 2.5", RequestOptions(semantic = semantic(distanceMax = 2.5))),
        Triple("semantic", "distanceMax of -0.1", RequestOptions(semantic = semantic(distanceMax = -0.1))),
        Triple("semantic", "NaN", RequestOptions(semantic = semantic(distanceMax = Double.NaN))),
        Triple("semantic", "timeout of 0", RequestOptions(semantic = semantic(timeout = Duration.ZERO))),
        Triple("semantic", "timeout of -5", RequestOptions(semantic = semantic(timeout = (-5).milliseconds))),
        Triple("semantic", "timeout of inf", RequestOptions(semantic = semantic(timeout = Duration.INFINITE))),
    ).flatMap { (field, value, options) ->
        listOf("chat" to engine.chat("Hello", options), "complete" to engine.complete("Hello", options))
            .map { (form, stream) ->
                dynamicTest("$form: $field = $value") {
                    val error = fails<IndwellException.InvalidRequest> { stream.reply() }
                    assertTrue(error.details.field!!.startsWith(field), error.details.toString())
                    assertTrue(value in error.details.value!!, error.details.toString())
                    assertNamesAll(error)
                    assertServes(engine)
                }
            }
    }

    @TestFactory
    fun `an option of an engine out of its range is refused`(): List<DynamicTest> = listOf(
        "contextTokens" to EngineOptions(contextTokens = 0),
        "contextTokens" to EngineOptions(contextTokens = -1),
        "sequencesMax" to EngineOptions(sequencesMax = 0),
        "batchTokens" to EngineOptions(batchTokens = -7),
        "prefillChunkTokens" to EngineOptions(prefillChunkTokens = 0),
        "itlTarget" to EngineOptions(itlTarget = Duration.ZERO),
        "itlTarget" to EngineOptions(itlTarget = 60_001.milliseconds),
        "threads" to EngineOptions(threads = -1),
        "queueRequestsMax" to EngineOptions(queueRequestsMax = -1),
        "queueTokensMax" to EngineOptions(queueTokensMax = -1),
        "defaultMaxTokens" to EngineOptions(defaultMaxTokens = 0),
        "gpuLayers" to EngineOptions(gpuLayers = -1),
        "streamCapacity" to EngineOptions(streamCapacity = 0),
        "prefixCacheTokens" to EngineOptions(prefixCacheTokens = -1),
        "prefixCacheTokens" to EngineOptions(contextTokens = 256, prefixCacheTokens = 257),
        "hostCacheBytes" to EngineOptions(hostCacheBytes = -1),
        "diskCacheDir" to EngineOptions(diskCacheDir = ""),
        "diskCacheBytes" to EngineOptions(diskCacheDir = "snapshots", diskCacheBytes = 0),
        "diskCacheBytes" to EngineOptions(diskCacheBytes = 1),
        "responseCacheBytes" to EngineOptions(responseCacheBytes = -1),
        "responseCacheTtl" to EngineOptions(responseCacheTtl = Duration.ZERO),
        "responseCacheTtl" to EngineOptions(responseCacheTtl = (-5).milliseconds),
        "responseCacheDir" to EngineOptions(responseCacheDir = ""),
        "responseCacheDir" to EngineOptions(responseCacheDir = "answers", responseCacheBytes = 0),
    ).map { (field, options) ->
        dynamicTest("$field in $options") {
            val error = fails<IndwellException.InvalidRequest> { Engine.load(testModel, options) }
            assertEquals(field, error.details.field)
            assertNamesAll(error)
        }
    }

    @Test
    fun `an empty prompt or conversation is refused`() {
        for (stream in listOf(engine.complete(""), engine.chat(emptyList()))) {
            val error = fails<IndwellException.InvalidRequest> { stream.reply() }
            assertNotNull(error.details.field)
            assertNotNull(error.details.remedy)
        }
        assertServes(engine)
    }

    @Test
    fun `a prompt longer than the context is refused`() {
        val prompt = promptOf(engine.model.contextTokens * 2)
        for (stream in listOf(engine.complete(prompt), engine.chat(prompt))) {
            val error = fails<IndwellException.ContextOverflow> { stream.reply() }
            assertEquals(ErrorKind.CONTEXT_OVERFLOW, error.kind)
            assertTrue("${engine.model.contextTokens - 1}" in error.message, error.message)
            assertNotNull(error.details.remedy)
        }
        assertServes(engine)
    }

    @TestFactory
    fun `text that is not Unicode is refused`(): List<DynamicTest> = listOf<Pair<String, suspend () -> Any>>(
        "messages[0].content" to { engine.chat("Hello \uD800").reply() },
        "messages[1].content" to { engine.chat(listOf(user("Hello"), assistant("\uDC00 Hello"))).reply() },
        "prompt" to { engine.complete("\uDE00\uD83D").reply() },
        "stop[1]" to { engine.chat("Hello", RequestOptions(stop = listOf("fine", "\uD83D"))).reply() },
        "model" to { Engine.load("smollm2\uD800") },
        "diskCacheDir" to { Engine.load(testModel, EngineOptions(diskCacheDir = "snapshots\uD800")) },
        "responseCacheDir" to { Engine.load(testModel, EngineOptions(responseCacheDir = "answers\uD800")) },
        "cacheSalt" to { engine.chat("Hello", RequestOptions(cacheSalt = "\uDC00")).reply() },
        "cacheSalt" to { engine.invalidateResponses("\uDC00") },
        "messages[0].content" to { engine.cachePrefix("Hello \uD800") },
        "cacheSalt" to { engine.cachePrefix("Hello", cacheSalt = "\uDC00") },
    ).map { (field, call) ->
        dynamicTest(field) {
            val error = fails<IndwellException.InvalidRequest> { call() }
            assertEquals(field, error.details.field)
            assertNamesAll(error)
            assertServes(engine)
        }
    }

    @TestFactory
    fun `a model that cannot be loaded is refused`(@TempDir folder: Path): List<DynamicTest> {
        val start = Files.newInputStream(Path.of(engine.model.path)).use { it.readNBytes(1 shl 20) }
        return listOf(
            "a missing file" to folder.resolve("missing.gguf"),
            "a directory" to folder,
            "an empty file" to folder.resolve("empty.gguf").createFile(),
            "a text file" to folder.resolve("text.gguf").apply { writeText("This is no model.\n".repeat(100)) },
            "a truncated file" to Files.write(folder.resolve("truncated.gguf"), start),
            "a truncated header" to Files.write(folder.resolve("header.gguf"), start.copyOf(20)),
        ).map { (name, path) ->
            dynamicTest(name) {
                val error = fails<IndwellException.ModelLoad> { Engine.load(path.toString()) }
                assertEquals("model", error.details.field)
                assertEquals(path.toString(), error.details.value)
                assertNotNull(error.details.remedy)
                assertServes(engine)
            }
        }
    }

    @Test
    fun `an unknown alias is refused and the known ones are named`() {
        val error = fails<IndwellException.ModelLoad> { Engine.load("smollm3-no-such") }
        assertEquals("smollm3-no-such", error.details.value)
        assertTrue("smollm2-135m" in error.details.remedy!!, error.details.toString())
    }

    @Test
    fun `a full queue is refused with the time to come back`() = runBlocking<Unit> {
        loadSmall(EngineOptions(sequencesMax = 1, queueRequestsMax = 1)).use { small ->
            val errors = overloadsOf(small)
            assertTrue(errors.isNotEmpty())
            for (error in errors) assertTrue(error.details.retryAfterMs!! > 0)
            small.awaitStats { it.requestsRunning + it.requestsWaiting == 0 }
            assertServes(small)
        }
    }

    @Test
    fun `a deadline that passes fails the request`() {
        val options = RequestOptions(maxTokens = 1500, timeout = 1.milliseconds)
        val error = fails<IndwellException.DeadlineExceeded> { engine.chat(STORY, options).reply() }
        assertNotNull(error.details.remedy)
        assertServes(engine)
    }

    private fun semantic(distanceMax: Double = 0.1, timeout: Duration = 1.seconds): Semantic =
        Semantic(distanceMax, embed = { floatArrayOf(1f) }, verify = { true }, timeout)

    private inline fun <reified E : IndwellException> fails(crossinline call: suspend () -> Any): E {
        val error = assertThrows(E::class.java) { runBlocking { call() } }
        assertEquals(E::class.simpleName, error.kind.code.split("_").joinToString("") { it.replaceFirstChar(Char::uppercase) })
        return error
    }

    /** The message tells a person what the details tell a program. */
    private fun assertNamesAll(error: IndwellException) {
        val details = error.details
        for (part in listOf(details.field, details.value, details.limit, details.remedy)) {
            assertNotNull(part, details.toString())
            assertTrue(part!! in error.message, "'$part' in '${error.message}'")
        }
    }
}

/** That [engine] answers. */
fun assertServes(engine: Engine): Unit = runBlocking {
    assertEquals(2, engine.complete("One, two, three,", RequestOptions(maxTokens = 2)).reply().usage.completionTokens)
}
