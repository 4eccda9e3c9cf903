// The same question is answered once; and, where a verifier agrees, so is one that means the same.

package ai.indwell.examples.responsecache

import ai.indwell.CacheMode
import ai.indwell.CacheTier
import ai.indwell.Engine
import ai.indwell.IndwellException
import ai.indwell.RequestOptions
import ai.indwell.Semantic
import ai.indwell.SemanticMatch
import kotlin.math.absoluteValue
import kotlin.time.measureTimedValue

suspend fun main(arguments: Array<String>) {
    val model = arguments.firstOrNull() ?: "smollm2-135m"

    Engine.load(model).use { engine ->
        val plain = RequestOptions(maxTokens = 32)
        repeat(2) { engine.ask("What is a glacier?", plain) }
        try {
            engine.chat("What is a fjord?", plain.copy(cache = CacheMode.ONLY_IF_CACHED)).reply()
        } catch (error: IndwellException.NotCached) {
            println("${error.kind}: ${error.message}")
        }

        // Near is not the same: every distance has both of the last two questions close to the first one.
        val semantic = plain.copy(semantic = Semantic(distanceMax = 0.1, embed = ::trigrams, verify = ::sameWords))
        engine.ask("Is the path to the hut open in May?", semantic)
        engine.ask("In May, is the path to the hut open?", semantic)
        engine.ask("Is the path to the hut not open in May?", semantic)
        println("${engine.invalidateResponses()} answers were kept")
    }
}

private suspend fun Engine.ask(question: String, options: RequestOptions) {
    val (reply, time) = measureTimedValue { chat(question, options).reply() }
    val usage = reply.usage
    val served = usage.cache?.takeIf { it == CacheTier.RESPONSE || it == CacheTier.SEMANTIC }?.name ?: "computed"
    println("$question\n  ${reply.text.trim().replace('\n', ' ')}")
    println("  [$served in ${"%.2f".format(time.inWholeMicroseconds / 1000.0)} ms]")
}

/** Counts what three letters follow each other, in any order: a stand-in for an embedding model. */
private fun trigrams(prompt: String): FloatArray {
    val counts = FloatArray(256)
    for (three in prompt.lowercase().filter { it.isLetter() || it == ' ' }.windowed(3)) {
        counts[three.hashCode().absoluteValue % counts.size]++
    }
    return counts
}

/** Agrees where both questions have the same words: a stand-in for a model that reads both. */
private fun sameWords(match: SemanticMatch): Boolean = words(match.asked) == words(match.found)

private fun words(text: String): List<String> = text.lowercase().split(Regex("""\W+""")).filter { it.isNotEmpty() }.sorted()
