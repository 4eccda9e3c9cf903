// Answers with a shape: JSON that fits a schema, one of several texts, a pattern.

package ai.indwell.examples.structured

import ai.indwell.Engine
import ai.indwell.IndwellException
import ai.indwell.Json
import ai.indwell.RequestOptions

suspend fun main(arguments: Array<String>) {
    val model = arguments.firstOrNull() ?: "smollm2-135m"
    val city = Json.of(
        "type" to "object",
        "properties" to mapOf(
            "name" to mapOf("type" to "string", "maxLength" to 20),
            "country" to mapOf("type" to "string", "maxLength" to 20),
            "population" to mapOf("type" to "integer", "minimum" to 0, "maximum" to 99_999_999),
        ),
        "required" to listOf("name", "country", "population"),
        "additionalProperties" to false,
    )

    Engine.load(model).use { engine ->
        engine.ask("Describe the city of Oslo.", RequestOptions(maxTokens = 128, jsonSchema = city))
        engine.ask("Is Oslo in Norway?", RequestOptions(choice = listOf("yes", "no")))
        engine.ask("When was Oslo founded?", RequestOptions(regex = "In the year [0-9]{3,4}\\."))
        try {
            engine.ask("Hello", RequestOptions(regex = "[0-9"))
        } catch (error: IndwellException.InvalidRequest) {
            println("${error.kind}: ${error.message.lines().first()}")
        }
    }
}

private suspend fun Engine.ask(question: String, options: RequestOptions) =
    println("$question\n  ${chat(question, options).reply().text}")
