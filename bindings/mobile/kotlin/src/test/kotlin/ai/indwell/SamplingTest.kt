// How tokens are chosen, how many answers there are, and how likely they were.

package ai.indwell

import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

class SamplingTest {
    @Test
    fun `several answers share a prompt and differ by their seeds`() = runBlocking<Unit> {
        val options = RequestOptions(maxTokens = 12, temperature = 1.2, seed = 7, n = 3)
        val reply = engine.chat(STORY, options).reply()
        assertEquals(2, reply.alternatives.size)
        val texts = listOf(reply.text) + reply.alternatives.map { it.text }
        assertEquals(3, texts.toSet().size, "$texts")
        val second = engine.chat(STORY, options.copy(seed = 8, n = 1)).reply()
        assertEquals(second.text, reply.alternatives.first().text)
        assertEquals(36, reply.usage.completionTokens, "of all of them")
        assertEquals(second.usage.promptTokens, reply.usage.promptTokens, "of the one prompt")
    }

    @Test
    fun `a stream of several answers tells them apart`() = runBlocking<Unit> {
        val stream = engine.chat(STORY, RequestOptions(maxTokens = 8, temperature = 1.2, seed = 3, n = 2))
        val events = stream.toList()
        assertEquals(setOf(0, 1), events.filterIsInstance<ChoiceFinished>().map { it.choice }.toSet())
        assertTrue(events.filterIsInstance<ChoiceFinished>().all { it.reason == FinishReason.LENGTH })
        assertEquals(1, events.count { it is Finished })
        val texts = events.filterIsInstance<TextDelta>().groupBy({ it.choice }, { it.text }).mapValues { it.value.joinToString("") }
        val reply = stream.reply()
        assertEquals(mapOf(0 to reply.text, 1 to reply.alternatives.single().text), texts)
    }

    @Test
    fun `the best of several is told`() = runBlocking<Unit> {
        val options = RequestOptions(maxTokens = 8, temperature = 1.5, seed = 11, logprobs = true)
        val all = engine.chat(STORY, options.copy(n = 3)).reply()
        val best = engine.chat(STORY, options.copy(bestOf = 3)).reply()
        assertTrue(best.alternatives.isEmpty())
        val means = (listOf(all.logprobs) + all.alternatives.map { it.logprobs }).map { it.mean() }
        assertEquals(means.max(), best.logprobs.mean(), 1e-4)
    }

    @Test
    fun `log-probabilities come with the likeliest tokens in their place`() = runBlocking<Unit> {
        val options = RequestOptions(maxTokens = 4, logprobs = true, topLogprobs = 3)
        val reply = engine.complete("One, two, three,", options).reply()
        assertEquals(4, reply.logprobs.size)
        for (entry in reply.logprobs) {
            assertEquals(3, entry.top.size)
            assertEquals(entry.top.map { it.logprob }.sortedDescending(), entry.top.map { it.logprob })
            assertEquals(entry.token, entry.top.first().token, "a greedy answer takes the likeliest")
            assertEquals(entry.logprob, entry.top.first().logprob)
        }
    }

    @Test
    fun `a prompt has log-probabilities, but for its first token`() = runBlocking<Unit> {
        val options = RequestOptions(maxTokens = 1, promptLogprobs = true)
        val stream = engine.complete("The capital of France is Paris", options)
        val reply = stream.reply()
        assertEquals(reply.usage.promptTokens, reply.promptLogprobs.size)
        assertNull(reply.promptLogprobs.first().logprob)
        for (entry in reply.promptLogprobs.drop(1)) assertTrue(entry.logprob!! <= 0f, "$entry")
        val first = stream.toList().first()
        assertEquals(reply.promptLogprobs.map { it.token }, (first as PromptLogprobs).tokens.map { it.token })
    }

    @Test
    fun `a bias decides, by token and by text`() = runBlocking<Unit> {
        val prompt = "The capital of France is"
        val plain = engine.complete(prompt, RequestOptions(maxTokens = 1, logprobs = true)).reply()
        val token = plain.logprobs.single().token
        val without = RequestOptions(maxTokens = 1, logprobs = true, logitBias = listOf(LogitBias.Token(token, null)))
        assertNotEquals(token, engine.complete(prompt, without).reply().logprobs.single().token)
        val text = RequestOptions(maxTokens = 1, logitBias = listOf(LogitBias.Text(" banana", 100.0)))
        assertTrue(engine.complete(prompt, text).reply().text in " banana")
    }

    @Test
    fun `a banned text never comes`() = runBlocking<Unit> {
        val options = RequestOptions(maxTokens = 24, bannedStrings = listOf("Paris", "paris"))
        val reply = engine.complete("The capital of France is", options).reply()
        assertFalse("paris" in reply.text.lowercase(), reply.text)
    }

    @Test
    fun `an answer has its least tokens`() = runBlocking<Unit> {
        val yes = RequestOptions(maxTokens = 40, minTokens = 30)
        val reply = engine.chat("Say yes.", yes).reply()
        assertTrue(reply.usage.completionTokens >= 30, "$reply")
        val endless = engine.chat("Say yes.", RequestOptions(maxTokens = 40, ignoreEos = true)).reply()
        assertEquals(40, endless.usage.completionTokens)
        assertEquals(FinishReason.LENGTH, endless.finishReason)
    }

    @Test
    fun `a stop token ends the answer before it`() = runBlocking<Unit> {
        val plain = engine.complete("1, 2, 3,", RequestOptions(maxTokens = 6, logprobs = true)).reply()
        val third = plain.logprobs[2].token
        val reply = engine.complete("1, 2, 3,", RequestOptions(maxTokens = 6, stopTokens = listOf(third))).reply()
        assertEquals(FinishReason.STOP, reply.finishReason)
        assertTrue(plain.text.startsWith(reply.text) && reply.usage.completionTokens <= 2, "$reply")
    }

    @TestFactory
    fun `an option of sampling changes what is drawn`(): List<DynamicTest> {
        val drawn = RequestOptions(maxTokens = 48, temperature = 1.5, seed = 5)
        val plain by lazy { runBlocking { engine.chat(STORY, drawn).reply().text } }
        return listOf(
            "dynatempRange" to drawn.copy(dynatempRange = 1.4, dynatempExponent = 2.0),
            "topK" to drawn.copy(topK = 3),
            "topP" to drawn.copy(topP = 0.3),
            "minP" to drawn.copy(minP = 0.5),
            "typicalP" to drawn.copy(typicalP = 0.2),
            "topNSigma" to drawn.copy(topNSigma = 0.5),
            "xtcProbability" to drawn.copy(xtcProbability = 1.0, xtcThreshold = 0.05),
            "dryMultiplier" to drawn.copy(
                dryMultiplier = 5.0,
                dryBase = 3.0,
                dryAllowedLength = 1,
                dryPenaltyLastN = 512,
                drySequenceBreakers = listOf("#"),
            ),
            "repeatPenalty" to drawn.copy(repeatPenalty = 1.8, repeatLastN = 128),
            "presencePenalty" to drawn.copy(presencePenalty = 2.0),
            "frequencyPenalty" to drawn.copy(frequencyPenalty = 2.0),
            "mirostat 1" to drawn.copy(mirostat = 1, mirostatTau = 2.0, mirostatEta = 0.2),
            "mirostat 2" to drawn.copy(mirostat = 2, mirostatTau = 2.0, mirostatEta = 0.2),
        ).map { (name, options) ->
            dynamicTest(name) {
                assertNotEquals(plain, runBlocking { engine.chat(STORY, options).reply().text })
            }
        }
    }

    @Test
    fun `the order of samplers matters`() = runBlocking<Unit> {
        val options = RequestOptions(maxTokens = 32, temperature = 3.0, minP = 0.2, seed = 5)
        val cool = options.copy(samplers = listOf(Sampler.MIN_P, Sampler.TEMPERATURE))
        val hot = options.copy(samplers = listOf(Sampler.TEMPERATURE, Sampler.MIN_P))
        assertEquals(engine.chat(STORY, options).reply().text, engine.chat(STORY, cool).reply().text, "as llama.cpp has them")
        assertNotEquals(engine.chat(STORY, hot).reply().text, engine.chat(STORY, cool).reply().text)
    }

    private fun List<TokenLogprob>.mean(): Double = sumOf { it.logprob.toDouble() } / size
}
