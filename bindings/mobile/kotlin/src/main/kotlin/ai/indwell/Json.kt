// JSON as text: what schemas and other values of any shape are given as. Knows how to write it, not how to read it.

package ai.indwell

/** How deep values may lie in each other. */
private const val DEPTH_MAX = 128

/**
 * A JSON value, as its text: of whatever library an application has for JSON. What is no JSON fails the request with
 * [IndwellException.InvalidRequest].
 *
 * ```kotlin
 * val given = Json("""{"type": "string", "maxLength": 5}""")
 * val made = Json.of("type" to "string", "maxLength" to 5)
 * ```
 *
 * @property text the JSON text
 */
@JvmInline
public value class Json(public val text: String) {
    override fun toString(): String = text

    public companion object {
        /** The JSON object of these fields, with values as [of] takes them. */
        public fun of(vararg fields: Pair<String, Any?>): Json = of(linkedMapOf(*fields))

        /**
         * The JSON of a value of Kotlin's: null, a [Boolean], a [Number], a [String], an [Iterable] or a [Map] of such
         * values, or a [Json], which stays as it is. Whatever else it meets, keys of maps and numbers that JSON has not
         * included, becomes a text.
         *
         * @throws IllegalArgumentException for values more than 128 deep, or that hold themselves
         */
        public fun of(value: Any?): Json = Json(buildString { write(value, DEPTH_MAX) })
    }
}

private fun StringBuilder.write(value: Any?, depth: Int) {
    require(depth > 0) { "a value of JSON is at most $DEPTH_MAX deep: give a flatter one" }
    when (value) {
        null, is Boolean -> append(value)
        is Json -> append(value.text)
        is Double -> if (value.isFinite()) append(value) else quote(value.toString())
        is Float -> if (value.isFinite()) append(value) else quote(value.toString())
        is Number -> append(value)
        is Map<*, *> -> list('{', value.entries, '}') { (name, field) ->
            quote(name.toString())
            append(':')
            write(field, depth - 1)
        }
        is Iterable<*> -> list('[', value, ']') { write(it, depth - 1) }
        else -> quote(value.toString())
    }
}

private inline fun <T> StringBuilder.list(open: Char, values: Iterable<T>, close: Char, write: (T) -> Unit) {
    append(open)
    values.forEachIndexed { index, value ->
        if (index > 0) append(',')
        write(value)
    }
    append(close)
}

private fun StringBuilder.quote(text: String) {
    append('"')
    for (unit in text) {
        when {
            unit == '"' || unit == '\\' -> append('\\').append(unit)
            unit < ' ' -> append("\\u%04x".format(unit.code))
            else -> append(unit)
        }
    }
    append('"')
}
