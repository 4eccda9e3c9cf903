// Tools: what the model calls, whole and in a stream, and a conversation that goes on with what they gave.

package ai.indwell

import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlinx.serialization.json.Json as Parser

class ToolsTest {
    @Test
    fun `a call that is required comes, and fits the tool's schema`() = runBlocking<Unit> {
        val reply = engine.chat("What is the weather in Paris?", calling(ToolChoice.Required)).reply()
        assertEquals(FinishReason.TOOL_CALLS, reply.finishReason, "$reply")
        assertTrue(reply.toolCalls.isNotEmpty())
        for (call in reply.toolCalls) checkCall(call)
        assertEquals(reply.toolCalls.size, reply.toolCalls.map { it.id }.toSet().size, "ids are unique")
    }

    @Test
    fun `a tool is called by its name`() = runBlocking<Unit> {
        val reply = engine.chat("Hello", calling(ToolChoice.Named("set_unit"))).reply()
        assertEquals(listOf("set_unit"), reply.toolCalls.map { it.name }.distinct(), "$reply")
        reply.toolCalls.forEach(::checkCall)
    }

    @Test
    fun `deltas of a stream add up to the calls`() = runBlocking<Unit> {
        val stream = engine.chat("What is the weather in Rome?", calling(ToolChoice.Required))
        val events = stream.toList()
        val deltas = events.filterIsInstance<ToolCallDelta>().groupBy { it.index }
        val calls = deltas.values.map { call ->
            assertTrue(call.drop(1).all { it.id == null && it.name == null }, "$call")
            ToolCall(call.first().id!!, call.first().name!!, call.joinToString("") { it.arguments })
        }
        assertTrue(calls.isNotEmpty())
        calls.forEach(::checkCall)
        assertEquals(FinishReason.TOOL_CALLS, (events.last() as Finished).reason)
        val whole = stream.reply().toolCalls
        assertEquals(whole.map { it.name to it.arguments }, calls.map { it.name to it.arguments })
    }

    @Test
    fun `no tool is called where none may be`() = runBlocking<Unit> {
        val with = engine.chat("What is the weather in Paris?", calling(ToolChoice.None)).reply()
        assertEquals(emptyList<ToolCall>(), with.toolCalls)
        assertNotEquals(FinishReason.TOOL_CALLS, with.finishReason)
        val without = engine.chat("What is the weather in Paris?", RequestOptions(maxTokens = 64)).reply()
        assertEquals(without.usage.promptTokens, with.usage.promptTokens, "the model is not told of the tools")
    }

    @Test
    fun `a conversation goes on with what a tool gave`() = runBlocking<Unit> {
        val question = user("What is the weather in Paris?")
        val call = engine.chat(listOf(question), calling(ToolChoice.Required)).reply()
        val results = call.toolCalls.map { tool(it.id, """{"sky": "clear", "celsius": 21}""") }
        val conversation = listOf(question, call.toMessage()) + results
        val reply = engine.chat(conversation, calling(ToolChoice.None)).reply()
        assertTrue(reply.text.isNotBlank())
        assertNull(reply.reasoning)
        val bare = engine.chat(listOf(question), calling(ToolChoice.None)).reply()
        assertTrue(reply.usage.promptTokens > bare.usage.promptTokens, "the model is told of the call")
    }

    private fun calling(choice: ToolChoice): RequestOptions =
        RequestOptions(maxTokens = 200, tools = listOf(weather, unit), toolChoice = choice)

    private fun checkCall(call: ToolCall) {
        val arguments = Parser.parseToJsonElement(call.arguments).jsonObject
        assertTrue(call.id.isNotEmpty())
        when (call.name) {
            "get_weather" -> {
                assertEquals(setOf("city", "days"), arguments.keys)
                assertTrue(arguments.getValue("city").jsonPrimitive.isString)
                assertTrue(arguments.getValue("days").jsonPrimitive.content.toInt() in 1..7, call.arguments)
            }
            "set_unit" -> assertTrue(arguments.getValue("unit").jsonPrimitive.content in listOf("celsius", "kelvin"))
            else -> throw AssertionError("there is no tool ${call.name}")
        }
    }

    private companion object {
        val weather = Tool(
            name = "get_weather",
            description = "The weather in a city",
            parameters = Json.of(
                "type" to "object",
                "properties" to mapOf(
                    "city" to mapOf("type" to "string", "maxLength" to 24),
                    "days" to mapOf("type" to "integer", "minimum" to 1, "maximum" to 7),
                ),
                "required" to listOf("city", "days"),
                "additionalProperties" to false,
            ),
        )
        val unit = Tool(
            name = "set_unit",
            parameters = Json(
                """{"type": "object", "properties": {"unit": {"enum": ["celsius", "kelvin"]}},
                    "required": ["unit"], "additionalProperties": false}""",
            ),
        )
    }
}
