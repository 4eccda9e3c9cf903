// The Kotlin client of `binding_cost`; `src/client.rs` says what a client does.

package ai.indwell.bench

import ai.indwell.Engine
import ai.indwell.EngineOptions
import ai.indwell.Finished
import ai.indwell.RequestOptions
import ai.indwell.TextDelta
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.runBlocking

private class Counts(val tokens: Int, val events: Int)

private suspend fun read(engine: Engine, prompt: String, maxTokens: Int): Counts {
    var tokens = 0
    var events = 0
    engine.complete(prompt, RequestOptions(maxTokens = maxTokens)).collect { event ->
        when (event) {
            is TextDelta -> events += 1
            is Finished -> tokens = event.usage.completionTokens
            else -> Unit
        }
    }
    return Counts(tokens, events)
}

fun main(arguments: Array<String>): Unit = runBlocking(Dispatchers.Default) {
    val (model, contextTokens, threads) = arguments
    val options = EngineOptions(
        contextTokens = contextTokens.toInt(),
        threads = threads.toInt().takeIf { it != 0 },
        responseCacheBytes = 0,
    )
    Engine.load(model, options).use { engine ->
        println("ready")
        for (line in generateSequence(::readLine)) {
            val fields = line.split("\t")
            val maxTokens = fields.first().toInt()
            val started = System.nanoTime()
            val counts = fields.drop(1).map { async { read(engine, it, maxTokens) } }.awaitAll()
            val seconds = (System.nanoTime() - started) / 1e9
            val tokens = counts.sumOf { it.tokens }
            val events = counts.sumOf { it.events }
            println("""{"tokens": $tokens, "events": $events, "seconds": $seconds}""")
        }
    }
}
