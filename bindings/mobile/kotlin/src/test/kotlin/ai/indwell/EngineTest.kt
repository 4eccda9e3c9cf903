// An engine: what it is, how it is loaded, and what it says about itself.

package ai.indwell

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import java.util.concurrent.CountDownLatch
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds

class EngineTest {
    @Test
    fun `the model is described`() {
        val model = engine.model
        assertTrue(model.name.isNotEmpty())
        assertTrue(model.path.endsWith(".gguf"), model.path)
        assertTrue(model.parameters > 1_000_000)
        assertTrue(model.sizeBytes > 1_000_000)
        assertTrue(model.vocabularySize > 1_000)
        assertTrue(model.contextTokens in 1..model.trainedContextTokens)
        assertTrue(model.hasChatTemplate)
        assertEquals("Engine(${model.name})", engine.toString())
    }

    @Test
    fun `the counters count`() = runBlocking<Unit> {
        val before = engine.stats()
        val usage = engine.chat("Hello", RequestOptions(maxTokens = 3)).reply().usage
        val after = engine.awaitStats { it.requestsFinished > before.requestsFinished }
        assertEquals(before.promptTokens + usage.promptTokens - usage.cachedTokens, after.promptTokens)
        assertEquals(before.completionTokens + usage.completionTokens, after.completionTokens)
        assertTrue(after.steps >= before.steps + usage.completionTokens)
        assertTrue(after.cellsTotal > 0)
    }

    @Test
    fun `devices are listed and the version is known`() = runBlocking<Unit> {
        assertTrue(devices().any { it.kind == "cpu" && it.memoryTotalBytes > 0 }, devices().toString())
        assertTrue(VERSION.startsWith("0."), VERSION)
    }

    @Test
    fun `every option of an engine is taken`(@TempDir folder: Path) = runBlocking<Unit> {
        val options = EngineOptions(
            contextTokens = 1024,
            sequencesMax = 4,
            batchTokens = 128,
            prefillChunkTokens = 64,
            itlTarget = 100.milliseconds,
            threads = 1,
            queueRequestsMax = 8,
            queueTokensMax = 4096,
            defaultMaxTokens = 7,
            gpuLayers = 0,
            flashAttention = false,
            isolation = Isolation.IN_PROCESS,
            speculation = Speculation.OFF,
            streamCapacity = 16,
            prefixCacheTokens = 1024,
            hostCacheBytes = 1 shl 20,
            diskCacheDir = folder.resolve("snapshots").toString(),
            diskCacheBytes = 1 shl 20,
            responseCacheBytes = 1 shl 20,
            responseCacheTtl = 1.hours,
            responseCacheDir = folder.resolve("answers").toString(),
        )
        Engine.load(testModel, options).use { small ->
            assertEquals(1024, small.stats().cellsTotal)
            assertEquals(7, small.chat(STORY).reply().usage.completionTokens)
            assertEquals(1L shl 20, small.awaitCaches { it.host.capacityBytes > 0 }.host.capacityBytes)
            assertEquals(1L shl 20, small.caches().disk.capacityBytes)
            assertEquals(1L shl 20, small.caches().response.capacityBytes)
        }
        Engine.load(testModel, options.copy(responseCacheTtl = Duration.INFINITE)).close()
    }

    @Test
    fun `a load says how far it is`() = runBlocking<Unit> {
        val heard = ArrayList<Progress>()
        Engine.load(testModel, EngineOptions(contextTokens = 512, threads = 1)) { synchronized(heard) { heard += it } }.close()
        val loading = heard.filter { it.stage == Stage.LOAD }.map { it.done }
        assertTrue(loading.isNotEmpty())
        assertEquals(loading.sorted(), loading)
        assertEquals(1000, loading.last())
    }

    @Test
    fun `an exception of the progress listener fails the load`() {
        val mistake = IllegalStateException("a mistake in the listener")
        val thrown = assertThrows(IllegalStateException::class.java) {
            runBlocking { Engine.load(testModel, EngineOptions(contextTokens = 512, threads = 1)) { throw mistake } }
        }
        assertSame(mistake, thrown)
    }

    @Test
    fun `a load that is cancelled leaves at once`() = runBlocking<Unit> {
        val loading = CompletableDeferred<Unit>()
        val release = CountDownLatch(1)
        val job = launch(Dispatchers.Default) {
            Engine.load(testModel, EngineOptions(contextTokens = 512, threads = 1)) {
                loading.complete(Unit)
                release.await()
            }
        }
        loading.await()
        job.cancelAndJoin()
        release.countDown()
    }

    @Test
    fun `errors have the codes that every language has`() {
        val codes = ErrorKind.entries.map { it.code }
        assertEquals(ErrorKind.entries.map { it.name.lowercase() }, codes)
        assertFalse(codes.isEmpty())
    }
}
