// Adds events up to the reply that they must be: on its own, so that it checks the one that the library makes.

package ai.indwell

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue

/** The reply that these events of a whole stream are. */
fun List<Event>.toReply(): Reply {
    val end = last() as Finished
    assertEquals(1, count { it is Finished })
    assertTrue(indexOfLast { it is PromptLogprobs } <= 0, "the prompt comes first")
    val ends = filterIsInstance<ChoiceFinished>().associate { it.choice to it.reason }
    val choices = List(ends.size.coerceAtLeast(1)) { choice(it, ends[it] ?: end.reason) }
    val first = choices.first()
    return Reply(
        text = first.text,
        finishReason = end.reason,
        usage = end.usage,
        timings = end.timings,
        decodeTokensPerSecond = end.decodeTokensPerSecond,
        reasoning = first.reasoning,
        toolCalls = first.toolCalls,
        logprobs = first.logprobs,
        promptLogprobs = filterIsInstance<PromptLogprobs>().flatMap { it.tokens },
        alternatives = choices.drop(1),
    )
}

private fun List<Event>.choice(index: Int, reason: FinishReason): Choice {
    val texts = filterIsInstance<TextDelta>().filter { it.choice == index }
    val thoughts = filterIsInstance<ReasoningDelta>().filter { it.choice == index }
    val calls = filterIsInstance<ToolCallDelta>().filter { it.choice == index }.groupBy { it.index }
    assertEquals(calls.keys.sorted(), calls.keys.toList(), "calls come in their order")
    return Choice(
        text = texts.joinToString("") { it.text },
        finishReason = reason,
        reasoning = thoughts.takeIf { it.isNotEmpty() }?.joinToString("") { it.reasoning },
        toolCalls = calls.values.map { deltas ->
            ToolCall(deltas.first().id!!, deltas.first().name!!, deltas.joinToString("") { it.arguments })
        },
        logprobs = texts.flatMap { it.logprobs },
    )
}
