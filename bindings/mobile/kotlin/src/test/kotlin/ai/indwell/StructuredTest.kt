// Answers that a constraint shapes: every form of one, alone and in a stream.

package ai.indwell

import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlinx.serialization.json.Json as Parser

class StructuredTest {
    @Test
    fun `an answer fits its schema`() = runBlocking<Unit> {
        val options = RequestOptions(maxTokens = 200, jsonSchema = CITY)
        val reply = engine.chat("Describe Paris.", options).reply()
        assertEquals(FinishReason.STOP, reply.finishReason, reply.text)
        val city = Parser.parseToJsonElement(reply.text).jsonObject
        assertEquals(setOf("name", "capital", "population", "rivers"), city.keys)
        assertTrue(city.getValue("name").jsonPrimitive.isString)
        assertTrue(city.getValue("population").jsonPrimitive.int >= 0)
        city.getValue("capital").jsonPrimitive.boolean
        assertTrue(city.getValue("rivers").jsonArray.size <= 2)
    }

    @Test
    fun `a stream adds up to what fits, with random tokens too`() = runBlocking<Unit> {
        for (seed in 1L..3L) {
            val options = RequestOptions(maxTokens = 200, jsonSchema = CITY, temperature = 1.5, seed = seed)
            val text = engine.chat("Describe Rome.", options).toList().joinToString("") { it.text }
            assertEquals(4, Parser.parseToJsonElement(text).jsonObject.size, "seed $seed: $text")
        }
    }

    @Test
    fun `an answer is a JSON object`() = runBlocking<Unit> {
        val reply = engine.chat("Give a JSON object with a color.", RequestOptions(maxTokens = 200, jsonObject = true)).reply()
        assertTrue(reply.text.startsWith("{"), reply.text)
        val parsed = runCatching { Parser.parseToJsonElement(reply.text).jsonObject }
        assertEquals(reply.finishReason == FinishReason.STOP, parsed.isSuccess, "whole if it ended: ${reply.text}")
    }

    @Test
    fun `an answer matches its regex`() = runBlocking<Unit> {
        val options = RequestOptions(maxTokens = 32, regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}")
        val reply = engine.chat("When did it happen?", options).reply()
        assertTrue(Regex("[0-9]{4}-[0-9]{2}-[0-9]{2}").matches(reply.text), reply.text)
        assertEquals(FinishReason.STOP, reply.finishReason)
    }

    @Test
    fun `an answer is one of its choices`() = runBlocking<Unit> {
        val choices = listOf("red", "green", "dark blue")
        for (seed in 1L..5L) {
            val options = RequestOptions(choice = choices, temperature = 2.0, seed = seed)
            assertTrue(engine.chat("Name a color.", options).reply().text in choices, "seed $seed")
        }
    }

    @Test
    fun `an answer is in its grammar's language`() = runBlocking<Unit> {
        val lark = RequestOptions(maxTokens = 32, lark = "start: \"The answer is \" /[0-9]{1,3}/ \".\"")
        val gbnf = RequestOptions(maxTokens = 32, gbnf = "root ::= \"The answer is \" [0-9] [0-9]? [0-9]? \".\"")
        for (options in listOf(lark, gbnf)) {
            val reply = engine.chat("What is six times seven?", options).reply()
            assertTrue(Regex("""The answer is \d{1,3}\.""").matches(reply.text), reply.text)
        }
    }

    @Test
    fun `a completion is constrained too`() = runBlocking<Unit> {
        val reply = engine.complete("1, 2, 3, ", RequestOptions(regex = "[0-9], [0-9]")).reply()
        assertTrue(Regex("[0-9], [0-9]").matches(reply.text), reply.text)
    }

    private companion object {
        val CITY = Json.of(
            "type" to "object",
            "properties" to mapOf(
                "name" to mapOf("type" to "string", "maxLength" to 20),
                "capital" to mapOf("type" to "boolean"),
                "population" to mapOf("type" to "integer", "minimum" to 0, "maximum" to 99_999_999),
                "rivers" to mapOf(
                    "type" to "array",
                    "items" to mapOf("type" to "string", "maxLength" to 12),
                    "maxItems" to 2,
                ),
            ),
            "required" to listOf("name", "capital", "population", "rivers"),
            "additionalProperties" to false,
        )
    }
}
