// Runs tests/conformance/cases: the behaviour that every language has. The format is in its README.md.

package ai.indwell

import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.Assumptions.assumeFalse
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.TestInstance
import java.nio.file.Path
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.readText

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ConformanceTest {
    private val folder = Path.of(System.getProperty("indwell.conformance.dir"))
    private val engine = runBlocking { Engine.load(testModel, EngineOptions(contextTokens = 2048)) }

    @AfterAll
    fun close() = engine.close()

    @TestFactory
    fun cases(): List<DynamicTest> {
        val files = folder.resolve("cases").listDirectoryEntries("*.json").sorted()
        assertTrue(files.isNotEmpty(), "no cases in $folder")
        return files
            .flatMap { Json.parseToJsonElement(it.readText()).jsonArray }
            .map { it.jsonObject }
            .flatMap { case -> modesOf(case).map { dynamicTest("${case.text("name")} ($it)") { run(case, it) } } }
    }

    private fun modesOf(case: JsonObject): List<String> = when {
        case.text("operation") == "load" -> listOf("load")
        else -> case["modes"]?.jsonArray?.map { it.jsonPrimitive.content } ?: listOf("reply", "stream")
    }

    private fun run(case: JsonObject, mode: String) {
        assumeFalse(case["dynamic"]?.jsonPrimitive?.boolean ?: false, "options have types and fixed names in Kotlin")
        val options = case["options"]?.jsonObject ?: JsonObject(emptyMap())
        val chatsWithParseSpecial = case.text("operation") == "chat" && "parse_special" in options
        assumeFalse(chatsWithParseSpecial, "chat has no parseSpecial in Kotlin")
        val timesWithNan = options.any { (name, value) -> name.endsWith("_ms") && (value as? JsonPrimitive)?.content == "NaN" }
        assumeFalse(timesWithNan, "a Duration is never NaN in Kotlin")
        val samplers = options["samplers"]?.jsonArray.orEmpty().map { it.text }
        assumeFalse(samplers.any { name -> Sampler.entries.none { it.code == name } }, "samplers are an enum in Kotlin")
        val messages = (case["messages"] as? JsonArray)?.map { it.jsonObject }.orEmpty()
        assumeFalse(messages.any { messageOf(it) == null }, "messages have roles of a type, and text, in Kotlin")
        val expect = case.getValue("expect").jsonObject
        // Each mode computes its answer, unless the case asks twice.
        runBlocking { engine.invalidateResponses() }
        if (asksTwice(expect)) runBlocking { perform(case, options, "reply") }
        val result = runCatching { runBlocking { perform(case, options, mode) } }
        val error = expect["error"]?.jsonObject
        if (error == null) {
            val reply = result.getOrThrow()
            for ((what, value) in expect) check(checkNotNull(reply), what, value)
            reply?.usage?.let { assertEquals(it.cachedTokens > 0, it.cache != null, "$it") }
        } else {
            check(result.exceptionOrNull(), error)
            assertServes(engine)
        }
    }

    /** Whether what is expected is that of a request that was made before. */
    private fun asksTwice(expect: JsonObject): Boolean = "cached_tokens" in expect || "cached_tokens_min" in expect

    private suspend fun perform(case: JsonObject, options: JsonObject, mode: String): Reply? {
        if (mode == "load") {
            Engine.load(modelOf(case), engineOptions(options)).close()
            return null
        }
        val stream = when (val operation = case.text("operation")) {
            "chat" -> engine.chat(messagesOf(case), requestOptions(options))
            "complete" -> engine.complete(promptOf(case), requestOptions(options), flag(options["parse_special"]))
            else -> fail("operation $operation is not known here")
        }
        return when (mode) {
            "reply" -> stream.reply()
            "stream" -> stream.toList().toReply().also { checkJoins(it, stream, options) }
            else -> fail("mode $mode is not known here")
        }
    }

    /** The texts joined are the reply's text, where a second answer must be the first one again. */
    private suspend fun checkJoins(streamed: Reply, stream: TokenStream, options: JsonObject) {
        val repeatable = "temperature" !in options || "seed" in options
        if (!repeatable) return
        val reply = stream.reply()
        assertEquals(reply.text, streamed.text)
        assertEquals(reply.reasoning, streamed.reasoning)
        assertEquals(reply.toolCalls.map { it.name to it.arguments }, streamed.toolCalls.map { it.name to it.arguments })
    }

    private fun check(reply: Reply, what: String, value: JsonElement): Unit = when (what) {
        "finish_reason" -> assertEquals(value.text, reply.finishReason.name.lowercase())
        "completion_tokens" -> assertEquals(value.jsonPrimitive.int, reply.usage.completionTokens)
        "prompt_tokens" -> assertEquals(value.jsonPrimitive.int, reply.usage.promptTokens)
        "cached_tokens" -> assertEquals(value.jsonPrimitive.int, reply.usage.cachedTokens)
        "cached_tokens_min" -> assertTrue(reply.usage.cachedTokens >= value.jsonPrimitive.int, "${reply.usage}")
        "text" -> assertEquals(value.text, reply.text)
        "text_starts_with" -> assertTrue(reply.text.startsWith(value.text), reply.text)
        "text_excludes" -> value.jsonArray.forEach { assertFalse(it.text in reply.text, reply.text) }
        "text_not_empty" -> assertTrue(reply.text.isNotEmpty())
        "tool_calls" -> checkCalls(reply.toolCalls, value.jsonArray)
        "logprobs" -> {
            assertEquals(reply.usage.completionTokens, reply.logprobs.size)
            assertTrue(reply.logprobs.all { it.logprob <= 0f })
        }
        else -> fail("expectation $what is not known here")
    }

    private fun checkCalls(calls: List<ToolCall>, expected: JsonArray) {
        assertEquals(expected.map { it.jsonObject.text("name") }, calls.map { it.name })
        assertEquals(expected.map { it.jsonObject["arguments"] }, calls.map { Json.parseToJsonElement(it.arguments) })
        assertTrue(calls.all { it.id.startsWith("call_") }, "$calls")
        assertEquals(calls.size, calls.distinctBy { it.id }.size, "$calls")
    }

    private fun check(thrown: Throwable?, expect: JsonObject) {
        if (thrown !is IndwellException) throw AssertionError("expected $expect, but got $thrown", thrown)
        val details = thrown.details
        for ((what, value) in expect) {
            when (what) {
                "kind" -> assertEquals(value.text, thrown.kind.code)
                "field" -> assertEquals(kotlinSpelling(value.text), details.field)
                "value" -> assertEquals(value.text, details.value)
                "limit" -> assertEquals(kotlinSpelling(value.text), details.limit)
                "message_contains" -> value.jsonArray.forEach {
                    assertTrue(it.text in thrown.message || kotlinSpelling(it.text) in thrown.message, thrown.message)
                }
                "remedy" -> Unit
                else -> fail("expectation $what is not known here")
            }
        }
        if (expect["remedy"]?.jsonPrimitive?.boolean != false) assertNotNull(details.remedy, thrown.message)
    }

    /** A field, or a limit that speaks of one. A duration has its unit in its type. */
    private fun kotlinSpelling(field: String): String =
        field.removeSuffix("_ms").replace(Regex("_([a-z])")) { it.groupValues[1].uppercase() }

    private fun modelOf(case: JsonObject): String =
        case.text("model").replace("{files}", "${folder.resolve("files")}").replace("{model}", engine.model.path)

    private fun promptOf(case: JsonObject): String = case.text("prompt").repeat(repeatOf(case))

    private fun messagesOf(case: JsonObject): List<Message> {
        val messages = when (val given = case.getValue("messages")) {
            is JsonArray -> given.map { checkNotNull(messageOf(it.jsonObject)) { "Kotlin has no form of $it" } }
            else -> listOf(user(given.text))
        }
        if (messages.isEmpty()) return messages
        val last = messages.last()
        return messages.dropLast(1) + last.copy(content = last.content.repeat(repeatOf(case)))
    }

    private fun repeatOf(case: JsonObject): Int = case["repeat"]?.jsonPrimitive?.int ?: 1

    private fun flag(value: JsonElement?): Boolean = value?.jsonPrimitive?.boolean ?: false

    private fun JsonObject.text(name: String): String = getValue(name).text

    private val JsonElement.text: String get() = (this as JsonPrimitive).content
}
