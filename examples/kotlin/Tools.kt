// Tools: the model asks for a call, the program makes it, and the model goes on with what it gave.

package ai.indwell.examples.tools

import ai.indwell.Engine
import ai.indwell.Json
import ai.indwell.Message
import ai.indwell.RequestOptions
import ai.indwell.Tool
import ai.indwell.ToolCall
import ai.indwell.ToolCallDelta
import ai.indwell.ToolChoice
import ai.indwell.tool
import ai.indwell.user

private val weather = Tool(
    name = "get_weather",
    description = "The weather in a city, now",
    parameters = Json.of(
        "type" to "object",
        "properties" to mapOf("city" to mapOf("type" to "string", "maxLength" to 20)),
        "required" to listOf("city"),
        "additionalProperties" to false,
    ),
)

suspend fun main(arguments: Array<String>) {
    val model = arguments.firstOrNull() ?: "smollm2-135m"
    val calling = RequestOptions(maxTokens = 128, tools = listOf(weather), toolChoice = ToolChoice.Required)

    Engine.load(model).use { engine ->
        val conversation = mutableListOf<Message>(user("What is the weather in Paris?"))
        val reply = engine.chat(conversation, calling).reply()
        conversation += reply.toMessage()
        for (call in reply.toolCalls) {
            println("${call.name}(${call.arguments})")
            conversation += tool(call.id, answer(call))
        }

        val answering = calling.copy(maxTokens = 48, toolChoice = ToolChoice.None)
        println(engine.chat(conversation, answering).reply().text.trim())

        // Streamed, a call comes in pieces.
        engine.chat("What is the weather in Rome?", calling).collect { event ->
            if (event is ToolCallDelta) print((event.name?.let { "\n$it: " } ?: "") + event.arguments)
        }
        println()
    }
}

/** What the tool gives: the same weather everywhere. */
private fun answer(call: ToolCall): String =
    if (call.name == weather.name) """{"sky": "clear", "celsius": 21}""" else """{"error": "there is no such tool"}"""
