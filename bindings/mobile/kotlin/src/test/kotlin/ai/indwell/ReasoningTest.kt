// What a model thinks, apart from what it answers.

package ai.indwell

import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ReasoningTest {
    private val thinking = runBlocking { loadSmall(EngineOptions(reasoningParser = "think")) }

    /** Has any model think, and then answer. */
    private val options = RequestOptions(maxTokens = 48, regex = "<think>[a-z]{4,8} [a-z]{4,8}</think>[0-9]{2}")

    @AfterAll
    fun close() = thinking.close()

    @Test
    fun `it is no part of the text`() = runBlocking<Unit> {
        val reply = thinking.chat("How old are you?", options).reply()
        assertTrue(Regex("[a-z]{4,8} [a-z]{4,8}").matches(reply.reasoning!!), "$reply")
        assertTrue(Regex("[0-9]{2}").matches(reply.text), "$reply")
    }

    @Test
    fun `a stream tells the two apart`() = runBlocking<Unit> {
        val stream = thinking.chat("How old are you?", options)
        val events = stream.toList()
        val reply = stream.reply()
        assertEquals(reply.reasoning, events.filterIsInstance<ReasoningDelta>().joinToString("") { it.reasoning })
        assertEquals(reply.text, events.joinToString("") { it.text })
    }

    @Test
    fun `it stays in the text where that is asked for`() = runBlocking<Unit> {
        val whole = thinking.chat("How old are you?", options.copy(separateReasoning = false)).reply()
        assertNull(whole.reasoning)
        val apart = thinking.chat("How old are you?", options).reply()
        assertEquals("<think>${apart.reasoning}</think>${apart.text}", whole.text)
    }
}
