// What an answer is: the flow, the reply, and the options that shape them.

package ai.indwell

import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes

class AnswerTest {
    @Test
    fun `a chat is answered`() = runBlocking<Unit> {
        val reply = engine.chat("What is the capital of France?", RequestOptions(maxTokens = 32)).reply()
        assertTrue(reply.text.isNotBlank())
        assertTrue(reply.usage.promptTokens > 5)
        assertTrue(reply.usage.completionTokens in 1..32)
        assertEquals(reply.usage.promptTokens + reply.usage.completionTokens, reply.usage.totalTokens)
        assertTrue(reply.timings.ttftMs > 0.0)
        assertTrue(reply.timings.totalMs >= reply.timings.ttftMs)
        assertTrue(reply.decodeTokensPerSecond > 0.0)
    }

    @Test
    fun `a conversation is answered`() = runBlocking<Unit> {
        val reply = engine.chat(
            listOf(
                system("You answer briefly."),
                user("My name is Ada."),
                assistant("Hello, Ada."),
                user("What is my name?"),
            ),
            RequestOptions(maxTokens = 16),
        ).reply()
        assertTrue(reply.text.isNotBlank())
    }

    @Test
    fun `a prompt is completed`() = runBlocking<Unit> {
        val reply = engine.complete("The capital of France is", RequestOptions(maxTokens = 4)).reply()
        assertTrue("Paris" in reply.text, reply.text)
    }

    @Test
    fun `the design's line compiles and prints the answer`() = runBlocking<Unit> {
        val printed = StringBuilder()
        engine.chat("Hello", RequestOptions(maxTokens = 8)).collect { printed.append(it.text) }
        assertTrue(printed.isNotEmpty())
    }

    @Test
    fun `a flow is texts and then one end, and adds up to the reply`() = runBlocking<Unit> {
        val stream = engine.chat("Count to five.", RequestOptions(maxTokens = 24))
        val events = stream.toList()
        assertEquals(listOf(events.last()), events.filterIsInstance<Finished>())
        assertEquals(stream.reply().text, events.joinToString("") { it.text })
    }

    @Test
    fun `each collection is a request of its own`() = runBlocking<Unit> {
        val before = engine.stats().requestsFinished
        val stream = engine.chat("Hello", RequestOptions(maxTokens = 2))
        assertEquals(before, engine.stats().requestsFinished)
        stream.reply()
        stream.reply()
        assertEquals(before + 2, engine.awaitStats { it.requestsFinished >= before + 2 }.requestsFinished)
    }

    @Test
    fun `max tokens ends an answer`() = runBlocking<Unit> {
        val reply = engine.chat(STORY, RequestOptions(maxTokens = 5)).reply()
        assertEquals(FinishReason.LENGTH, reply.finishReason)
        assertEquals(5, reply.usage.completionTokens)
    }

    @Test
    fun `a stop string ends an answer and is not in it`() = runBlocking<Unit> {
        val whole = engine.chat(STORY, RequestOptions(maxTokens = 48)).reply().text
        val stop = whole.substring(whole.length / 2, whole.length / 2 + 6)
        val reply = engine.chat(STORY, RequestOptions(maxTokens = 48, stop = listOf("never said so", stop))).reply()
        assertEquals(FinishReason.STOP, reply.finishReason)
        assertEquals(whole.substringBefore(stop), reply.text)
    }

    @Test
    fun `log-probabilities come when asked for`() = runBlocking<Unit> {
        val reply = engine.chat("Hello", RequestOptions(maxTokens = 8, logprobs = true)).reply()
        assertEquals(reply.usage.completionTokens, reply.logprobs.size)
        assertTrue(reply.logprobs.all { it.logprob <= 0f && it.token >= 0 })
        assertTrue(engine.chat("Hello", RequestOptions(maxTokens = 8)).reply().logprobs.isEmpty())
    }

    @Test
    fun `a seed makes a sampled answer repeatable`() = runBlocking<Unit> {
        val options =
            RequestOptions(maxTokens = 16, temperature = 0.9, topK = 40, topP = 0.95, minP = 0.01, seed = 4_294_967_294)
        val texts = List(2) { engine.chat(STORY, options).reply().text }
        assertEquals(texts[0], texts[1])
    }

    @Test
    fun `every option that is allowed is taken`() = runBlocking<Unit> {
        val options = RequestOptions(
            maxTokens = 1,
            temperature = 0.0,
            topK = 0,
            topP = 1.0,
            minP = 0.0,
            seed = 0,
            stop = emptyList(),
            timeout = 5.minutes,
            logprobs = false,
            cache = CacheMode.USE,
            cacheSalt = "s",
            cacheTtl = 5.minutes,
            semantic = Semantic(distanceMax = 2.0, embed = { floatArrayOf(1f) }, verify = { true }),
        )
        engine.chat("Hello", options).reply()
        engine.chat("Hello", options.copy(timeout = Duration.INFINITE)).reply()
    }

    @Test
    fun `text of every plane goes in and comes out whole`() = runBlocking<Unit> {
        val prompt = "日本語 😀 e\u0301 \u0000 ŝ"
        val reply = engine.complete(prompt, RequestOptions(maxTokens = 24)).reply()
        assertFalse('\uFFFD' in reply.text.dropLast(1), reply.text)
    }

    @Test
    fun `special tokens in a prompt are text unless asked for`() = runBlocking<Unit> {
        val prompt = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
        val one = RequestOptions(maxTokens = 1)
        val asText = engine.complete(prompt, one).reply().usage.promptTokens
        val asTokens = engine.complete(prompt, one, parseSpecial = true).reply().usage.promptTokens
        assertTrue(asTokens < asText, "$asTokens tokens, as text $asText")
    }
}
