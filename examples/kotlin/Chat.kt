// A conversation: a whole reply, then a streamed one.

package ai.indwell.examples.chat

import ai.indwell.Engine
import ai.indwell.Finished
import ai.indwell.Message
import ai.indwell.RequestOptions
import ai.indwell.TextDelta
import ai.indwell.assistant
import ai.indwell.system
import ai.indwell.user

suspend fun main(arguments: Array<String>) {
    val model = arguments.firstOrNull() ?: "smollm2-135m"

    // `use` closes the engine and gives its memory back.
    Engine.load(model).use { engine ->
        println("${engine.model.name}: ${engine.model.description}")

        val conversation = mutableListOf<Message>(
            system("You answer in one sentence."),
            user("Name the capital of France."),
        )
        val reply = engine.chat(conversation, RequestOptions(maxTokens = 32)).reply()
        println("${reply.text} (${reply.usage.completionTokens} tokens)")

        conversation += assistant(reply.text)
        conversation += user("And of Italy?")
        engine.chat(conversation, RequestOptions(maxTokens = 32)).collect { event ->
            when (event) {
                is TextDelta -> print(event.text)
                is Finished -> println("\n[${event.reason} after ${event.usage.completionTokens} tokens]")
                else -> Unit // This one asks for no tools, log-probabilities or several answers.
            }
        }
    }
}
