// JSON of Kotlin's values, as a library for JSON reads it back.

package ai.indwell

import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.buildJsonArray
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import kotlinx.serialization.json.Json as Parser

class JsonTest {
    @Test
    fun `values of Kotlin are written as JSON`() {
        val json = Json.of(
            "text" to "a \"quoted\" \\ line\nand \u0000 and 😀",
            "list" to listOf(1, -2.5, 3L, true, null),
            "object" to mapOf("b" to emptyList<Any>(), "a" to emptyMap<String, Any>()),
            "json" to Json("""{"kept":  "as it is"}"""),
        )
        val expected = buildJsonObject {
            put("text", Parser.parseToJsonElement("\"a \\\"quoted\\\" \\\\ line\\nand \\u0000 and 😀\""))
            put("list", Parser.parseToJsonElement("[1, -2.5, 3, true, null]"))
            put("object", buildJsonObject { put("b", buildJsonArray {}); put("a", buildJsonObject {}) })
            put("json", Parser.parseToJsonElement("""{"kept": "as it is"}"""))
        }
        assertEquals(expected, Parser.parseToJsonElement(json.text))
        assertEquals(listOf("text", "list", "object", "json"), Parser.parseToJsonElement(json.text).jsonObject.keys.toList())
    }

    @Test
    fun `one value is JSON too`() {
        assertEquals(JsonNull, Parser.parseToJsonElement(Json.of(null).text))
        assertEquals("{}", Json.of().text)
        assertEquals("[1,2]", Json.of(setOf(1, 2)).text)
        assertEquals("""{"one":1}""", Json.of("one" to 1).text)
        assertEquals("NaN", Parser.parseToJsonElement(Json.of(Double.NaN).text).jsonPrimitive.content)
    }

    @Test
    fun `a value that holds itself is refused`() {
        val list = mutableListOf<Any>()
        list.add(list)
        assertThrows(IllegalArgumentException::class.java) { Json.of(list) }
    }
}
