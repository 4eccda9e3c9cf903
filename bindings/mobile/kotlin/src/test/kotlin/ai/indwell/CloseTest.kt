// Ends: close, use after close, garbage collection and the exit of the JVM, each with requests in flight.

package ai.indwell

import ai.indwell.ffi.NativeEngine
import ai.indwell.ffi.NativeStream
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import java.util.concurrent.TimeUnit
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

class CloseTest {
    @Test
    fun `a closed engine says so, and closing it again does nothing`() = runBlocking<Unit> {
        val small = loadSmall()
        assertFalse(small.closed)
        small.close()
        small.close()
        assertTrue(small.closed)
        assertTrue(small.model.name.isNotEmpty())
        assertEquals(0, small.stats().requestsRunning)
        assertEquals(0, small.caches().pinnedTokens)
        for (call in listOf<suspend () -> Any>(
            { small.chat("Hello").reply() },
            { small.complete("Hello").reply() },
            { small.cachePrefix("Hello") },
            { small.trim(1) },
            { small.invalidateResponses() },
            { small.invalidateResponses("one") },
        )) {
            val error = assertThrows(IndwellException.EngineClosed::class.java) { runBlocking { call() } }
            assertTrue(error.message.isNotEmpty())
        }
    }

    @Test
    fun `closing ends every request once, with the reason`() = runBlocking<Unit> {
        val small = loadSmall(EngineOptions(sequencesMax = 2))
        val reading = CompletableDeferred<Unit>()
        val ends = List(4) {
            async(Dispatchers.Default) {
                runCatching { small.chat(STORY, longAnswer).collect { reading.complete(Unit) } }
            }
        }
        reading.await()
        small.awaitStats { it.requestsRunning + it.requestsWaiting == 4 }
        small.close()
        for (end in ends.awaitAll()) assertInstanceOf(IndwellException.EngineClosed::class.java, end.exceptionOrNull())
    }

    @Test
    fun `a drained engine serves what it accepted, then closes`() = runBlocking<Unit> {
        val small = loadSmall(EngineOptions(sequencesMax = 2))
        val options = RequestOptions(maxTokens = 64, ignoreEos = true)
        val accepted = List(4) { async(Dispatchers.Default) { small.chat(STORY, options).reply() } }
        small.awaitStats { it.requestsRunning + it.requestsWaiting == 4 }
        val drained = async(Dispatchers.Default) { small.drain(10.minutes) }
        // Refused while it is drained, and once it is closed.
        do {
            val late = runCatching { small.chat("Hello", RequestOptions(maxTokens = 1)).reply() }
        } while (late.exceptionOrNull() !is IndwellException.EngineClosed)
        for (reply in accepted.awaitAll()) assertEquals(64, reply.usage.completionTokens)
        assertTrue(drained.await())
        assertTrue(small.closed)
        assertTrue(small.drain())
    }

    @Test
    fun `a drain cuts off what takes longer, and refuses a time that is none`() = runBlocking<Unit> {
        val small = loadSmall()
        for (timeout in listOf(Duration.ZERO, (-1).milliseconds)) {
            val error = assertThrows(IndwellException.InvalidRequest::class.java) {
                runBlocking { small.drain(timeout) }
            }
            assertEquals("timeout", error.details.field)
        }
        val reading = CompletableDeferred<Unit>()
        val end = async(Dispatchers.Default) {
            runCatching { small.chat(STORY, longAnswer).collect { reading.complete(Unit) } }
        }
        reading.await()
        assertFalse(small.drain(50.milliseconds))
        assertInstanceOf(IndwellException.EngineClosed::class.java, end.await().exceptionOrNull())
    }

    @Test
    fun `two threads may close at once while others submit`() = runBlocking<Unit> {
        val small = loadSmall()
        val submitting = List(8) {
            async(Dispatchers.Default) { runCatching { small.chat(STORY, RequestOptions(maxTokens = 64)).reply() } }
        }
        List(2) { launch(Dispatchers.IO) { small.close() } }.forEach { it.join() }
        for (end in submitting.awaitAll()) {
            end.exceptionOrNull()?.let { assertInstanceOf(IndwellException.EngineClosed::class.java, it) }
        }
    }

    @Test
    fun `a stream that nobody holds is cancelled by the garbage collector`() = runBlocking<Unit> {
        val native = NativeEngine.load(testModel, smallNativeOptions, null)
        openAndForget(native)
        withTimeout(2.minutes) {
            while (native.stats().requestsCancelled.toInt() == 0) {
                System.gc()
                delay(20.milliseconds)
            }
        }
        assertEquals(0, native.stats().requestsRunning.toInt())
        native.destroy()
    }

    @Test
    fun `an engine that is dropped with requests in flight ends them`() = runBlocking<Unit> {
        val native = NativeEngine.load(testModel, smallNativeOptions, null)
        val stream = openStream(native)
        stream.nextBatch()
        native.destroy()
        var last = stream.nextBatch()
        while (true) last = stream.nextBatch().ifEmpty { break }
        val failed = assertInstanceOf(ai.indwell.ffi.NativeEvent.Failed::class.java, last.last())
        assertInstanceOf(IndwellException.EngineClosed::class.java, failed.error.toIndwellException())
    }

    @ParameterizedTest
    @ValueSource(strings = ["return", "exit", "halfway through a load", "in a function of semantic mode"])
    fun `the JVM exits with streams open`(how: String) {
        val process = ProcessBuilder(
            "${System.getProperty("java.home")}/bin/java",
            "-cp", System.getProperty("java.class.path"),
            "-Djna.library.path=${System.getProperty("jna.library.path")}",
            "ai.indwell.ExitWithOpenStreamsKt",
            how,
        ).redirectErrorStream(true).start()
        val output = process.inputStream.bufferedReader().readText()
        assertTrue(process.waitFor(60, TimeUnit.SECONDS), "still running")
        assertEquals(0, process.exitValue(), output)
        assertEquals("leaving\n", output)
    }

    private val smallNativeOptions = EngineOptions(contextTokens = 2048, threads = 1).toNative()

    private fun openStream(native: NativeEngine): NativeStream =
        native.chat(listOf(user(STORY).toNative(0)), longAnswer.toNative())

    private suspend fun openAndForget(native: NativeEngine) {
        openStream(native).nextBatch()
    }
}
