// llama.cpp in a process of its own: it answers as ever, and what ends it ends nothing else.

package ai.indwell

import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class IsolationTest {
    @Test
    fun `a worker that is killed in mid-stream is replaced`() = runBlocking<Unit> {
        loadSmall(EngineOptions(isolation = Isolation.PROCESS)).use { own ->
            val worker = workers().single()
            var told = 0
            val lost = assertThrows(IndwellException.EnginePoisoned::class.java) {
                runBlocking {
                    own.chat(STORY, longAnswer.copy(ignoreEos = true)).onEach {
                        if (told++ == 0) worker.destroyForcibly()
                    }.collect()
                }
            }
            assertTrue(told > 0)
            assertTrue(lost.message.orEmpty().contains("SIGKILL"), lost.message)
            assertEquals(4, own.chat("Hello", RequestOptions(maxTokens = 4)).reply().usage.completionTokens)
            assertEquals(1L, own.stats().restarts)
            assertFalse(own.closed)
        }
        assertEquals(emptyList<ProcessHandle>(), workers())
    }

    @Test
    fun `answers are the same`() = runBlocking<Unit> {
        val request = RequestOptions(maxTokens = 16, temperature = 0.8, seed = 3)
        val texts = Isolation.entries.map { isolation ->
            loadSmall(EngineOptions(isolation = isolation)).use { it.chat("Name a city.", request).reply().text }
        }
        assertEquals(texts[0], texts[1])
    }

    /** The processes below this one that compute. */
    private fun workers(): List<ProcessHandle> =
        ProcessHandle.current().children().filter { it.info().command().orElse("").endsWith("indwell-worker") }.toList()
}
