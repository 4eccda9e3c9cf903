// Many coroutines, one engine: it batches them. A coroutine that is cancelled takes its request with it.

package ai.indwell.examples.concurrent

import ai.indwell.Engine
import ai.indwell.IndwellException
import ai.indwell.RequestOptions
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.take

suspend fun main(arguments: Array<String>): Unit = coroutineScope {
    val model = arguments.firstOrNull() ?: "smollm2-135m"

    Engine.load(model).use { engine ->
        val replies = (10..80 step 10).map { n ->
            async { engine.complete("$n, ${n + 1}, ${n + 2},", RequestOptions(maxTokens = 24)).reply() }
        }
        replies.awaitAll().forEach { println(it.text.trim().replace('\n', ' ')) }
        val stats = engine.stats()
        println("${stats.completionTokens} tokens in ${stats.steps} steps")

        // Taking a few events cancels the rest of the request.
        engine.chat("Tell me a very long story.", RequestOptions(maxTokens = 2000)).take(3).collect { print(it.text) }
        println()

        try {
            engine.chat("Hello", RequestOptions(temperature = -1.0)).reply()
        } catch (error: IndwellException.InvalidRequest) {
            println("${error.kind}: ${error.message}")
        }
    }
}
