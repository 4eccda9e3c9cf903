// Instructions that many chats begin with: computed once, kept, and found again by each chat.

package ai.indwell.examples.prefixcache

import ai.indwell.Engine
import ai.indwell.RequestOptions
import ai.indwell.system
import ai.indwell.user

suspend fun main(arguments: Array<String>) {
    val model = arguments.firstOrNull() ?: "smollm2-135m"
    val instructions = system(
        "You work at the desk of a mountain hut. " +
            "Breakfast is from six to eight. Dinner is at seven. Boots stay at the door. " +
            "Water from the tap is good to drink. The path to the pass is open from June to October. " +
            "Beds are made by the guests themselves, and lamps are put out at ten. " +
            "Dogs sleep in the barn. Who leaves early settles the bill on the evening before. " +
            "Answer guests in one friendly sentence, and send them to the keeper where you do not know.",
    )

    Engine.load(model).use { engine ->
        // Computed now, ahead of the first guest, and kept until `use` ends.
        engine.cachePrefix(listOf(instructions)).use { prefix ->
            println("${prefix.tokens} tokens are kept")

            for (question in listOf("When is breakfast?", "May I bring my dog?", "Is the path open in May?")) {
                val reply = engine.chat(listOf(instructions, user(question)), RequestOptions(maxTokens = 32)).reply()
                println(reply.text.trim().replace('\n', ' '))
                val usage = reply.usage
                println("  [${usage.cachedTokens} of ${usage.promptTokens} tokens were cached: ${usage.cache}]")
            }
        }
        println("%.0f%% of all prompt tokens were cached".format(engine.stats().prefixCacheHitRate * 100))
        println("${engine.caches().resident.tokens} tokens are still at hand")
    }
}
