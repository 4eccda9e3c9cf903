// Tools that a model may call, and its calls. Plain values.

package ai.indwell

/**
 * A tool that the model may call.
 *
 * ```kotlin
 * val weather = Tool(
 *     name = "get_weather",
 *     description = "The weather in a city, now",
 *     parameters = Json.of(
 *         "type" to "object",
 *         "properties" to mapOf("city" to mapOf("type" to "string")),
 *         "required" to listOf("city"),
 *     ),
 * )
 * ```
 *
 * @property name 1 to 64 letters, digits, `_` and `-`
 * @property description what it does, for the model; none
 * @property parameters its arguments, as the JSON schema of an object: the model's calls fit it; none
 */
public data class Tool(val name: String, val description: String? = null, val parameters: Json? = null)

/**
 * A call of a tool, as the model makes it.
 *
 * @property id what its result is told by: [tool] with it and with what the tool gave is the message to go on with
 * @property name the tool's name
 * @property arguments its arguments: a JSON object as text
 */
public data class ToolCall(val id: String, val name: String, val arguments: String)

/** Whether the model calls tools. */
public sealed interface ToolChoice {
    /** As it likes. */
    public data object Auto : ToolChoice

    /** It does not, and is not told of any. */
    public data object None : ToolChoice

    /** It calls one at least. */
    public data object Required : ToolChoice

    /**
     * It calls this tool.
     *
     * @property name the tool's name
     */
    public data class Named(val name: String) : ToolChoice
}
