// Schemas, grammars, tools and templates that are wrong or hostile: an error that says what, and an engine that goes on.

package ai.indwell

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

class BadStructureTest {
    @TestFactory
    fun `a constraint that can't be is refused`(): List<DynamicTest> = listOf(
        Triple("two constraints", "", RequestOptions(regex = "a", choice = listOf("a", "b"))),
        Triple("a schema that is no JSON", "jsonSchema", RequestOptions(jsonSchema = Json("{\"type\": "))),
        Triple("a schema that is none", "jsonSchema", RequestOptions(jsonSchema = Json.of(5))),
        Triple("a type that is none", "jsonSchema", RequestOptions(jsonSchema = Json.of("type" to "llama"))),
        Triple("a remote reference", "jsonSchema", RequestOptions(jsonSchema = Json.of("\$ref" to "https://example.com/s.json"))),
        Triple("a schema of a megabyte", "jsonSchema", RequestOptions(jsonSchema = large)),
        Triple("a regex that is none", "regex", RequestOptions(regex = "[a-")),
        // Only following it shows how large it is, and then no option is named.
        Triple("a regex without end", "", RequestOptions(regex = "(((a{1,1000}){1,1000}){1,1000}){1,1000}")),
        Triple("no choices", "choice", RequestOptions(choice = emptyList())),
        Triple("a grammar that is none", "lark", RequestOptions(lark = "start: missing")),
        Triple("a grammar that is none", "gbnf", RequestOptions(gbnf = "root ::= missing")),
    ).flatMap { (name, field, options) ->
        listOf("chat" to engine.chat("Hello", options), "complete" to engine.complete("Hello", options))
            .map { (form, stream) -> dynamicTest("$form: $name $field") { assertRefused(field) { stream.reply() } } }
    }

    @TestFactory
    fun `tools that can't be are refused`(): List<DynamicTest> = listOf(
        Triple("an odd name", "tools", RequestOptions(tools = listOf(Tool("get weather!")))),
        Triple("an empty name", "tools", RequestOptions(tools = listOf(Tool("")))),
        Triple("a long name", "tools", RequestOptions(tools = listOf(Tool("a".repeat(65))))),
        Triple("the same name twice", "tools", RequestOptions(tools = listOf(Tool("a"), Tool("a")))),
        Triple("parameters that are no JSON", "tools[1].parameters", RequestOptions(tools = listOf(Tool("a"), Tool("b", parameters = Json("{"))))),
        Triple("parameters that are no schema", "tools", RequestOptions(tools = listOf(Tool("a", parameters = Json.of("type" to 5))))),
        Triple("a tool that is not there", "toolChoice", RequestOptions(tools = listOf(Tool("a")), toolChoice = ToolChoice.Named("b"))),
        Triple("a choice without tools", "toolChoice", RequestOptions(toolChoice = ToolChoice.Required)),
        Triple("documents that are no JSON", "documents[0]", RequestOptions(documents = listOf(Json("{")))),
        Triple("documents that are no objects", "documents", RequestOptions(documents = listOf(Json.of(5)))),
        Triple("arguments that are no object", "templateArgs", RequestOptions(templateArgs = Json.of(listOf(1)))),
        Triple("no message of the model's to go on with", "continueFinalMessage", RequestOptions(continueFinalMessage = true)),
    ).map { (name, field, options) ->
        dynamicTest("$name: $field") { assertRefused(field) { engine.chat("Hello", options).reply() } }
    }

    @Test
    fun `a completion has no tools`() {
        assertRefused("tools") { engine.complete("Hello", RequestOptions(tools = listOf(Tool("a")))).reply() }
        assertRefused("templateArgs") { engine.complete("Hello", RequestOptions(templateArgs = Json.of("a" to 1))).reply() }
    }

    @TestFactory
    fun `an engine's template and parsers are checked`(): List<DynamicTest> = listOf(
        "chatTemplate" to EngineOptions(chatTemplate = "{% for"),
        "toolParser" to EngineOptions(toolParser = "no such parser"),
        "reasoningParser" to EngineOptions(reasoningParser = "no such parser"),
    ).map { (field, options) -> dynamicTest(field) { assertRefused(field) { loadSmall(options).close() } } }

    @TestFactory
    fun `a template without end is stopped`(): List<DynamicTest> = listOf(
        "loops" to "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "recurses" to "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "grows" to "{% set ns = namespace(text='llama') %}{% for a in range(60) %}{% set ns.text = ns.text ~ ns.text %}{% endfor %}{{ ns.text }}",
    ).map { (name, template) ->
        dynamicTest(name) {
            runBlocking { loadSmall(EngineOptions(chatTemplate = template)) }.use { hostile ->
                val error = assertThrows(IndwellException.InvalidRequest::class.java) {
                    runBlocking { hostile.chat("Hello").reply() }
                }
                assertNotNull(error.details.remedy, "$error")
                assertServes(hostile)
            }
        }
    }

    @TestFactory
    fun `text that is not Unicode is refused in every part`(): List<DynamicTest> = listOf(
        "messages[0].name" to { engine.chat(listOf(user("Hello").copy(name = "\uD800"))) },
        "messages[1].toolCalls[0].arguments" to {
            engine.chat(listOf(user("Hello"), assistant("", listOf(ToolCall("1", "a", "\uDC00")))))
        },
        "messages[0].toolCallId" to { engine.chat(listOf(tool("\uD800", "21"))) },
        "jsonSchema" to { engine.chat("Hello", RequestOptions(jsonSchema = Json("\"\uD800\""))) },
        "choice[1]" to { engine.chat("Hello", RequestOptions(choice = listOf("a", "\uD800"))) },
        "tools[0].description" to { engine.chat("Hello", RequestOptions(tools = listOf(Tool("a", "\uD800")))) },
        "bannedStrings[0]" to { engine.chat("Hello", RequestOptions(bannedStrings = listOf("\uD800"))) },
        "logitBias[0].text" to { engine.chat("Hello", RequestOptions(logitBias = listOf(LogitBias.Text("\uD800", 1.0)))) },
    ).map { (field, stream) -> dynamicTest(field) { assertRefused(field) { stream().reply() } } }

    /** That [call] is refused for [field] or what is in it, in words, and that the engine goes on. */
    private fun assertRefused(field: String, call: suspend () -> Any) {
        val error = assertThrows(IndwellException.InvalidRequest::class.java) { runBlocking { call() } }
        assertTrue(error.details.field.orEmpty().startsWith(field), "$error")
        assertEquals(ErrorKind.INVALID_REQUEST, error.kind)
        assertNotNull(error.details.remedy, "$error")
        assertTrue(error.message.length < 4000, "a message for a person: ${error.message.length} characters")
        assertServes(engine)
    }

    private companion object {
        val large = Json.of(
            "type" to "object",
            "properties" to (1..12_000).associate { "a_field_with_a_long_name_$it" to mapOf("type" to "string", "maxLength" to it) },
            "required" to (1..12_000).map { "a_field_with_a_long_name_$it" },
        )
    }
}
