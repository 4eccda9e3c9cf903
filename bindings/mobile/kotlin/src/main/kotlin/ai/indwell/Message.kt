// What a conversation is made of. Plain values.

package ai.indwell

/** Who says a [Message]. */
public enum class Role {
    /** Whoever runs the application: instructions that hold for the whole conversation. */
    SYSTEM,

    /** Whoever asks. */
    USER,

    /** The model. */
    ASSISTANT,

    /** A tool that the model called: what it gave. */
    TOOL,
}

/**
 * One turn of a conversation. Text in it never becomes a control token.
 *
 * @property role who says it
 * @property content what is said; empty where the model only calls tools
 * @property name who says it, by name, for templates that tell several apart; none
 * @property reasoning what the model thought before it spoke, for templates that show it; none
 * @property toolCalls the tools that the model calls with it; none
 * @property toolCallId which call this is the result of; of messages of tools
 */
public data class Message(
    val role: Role,
    val content: String,
    val name: String? = null,
    val reasoning: String? = null,
    val toolCalls: List<ToolCall> = emptyList(),
    val toolCallId: String? = null,
)

/** What the user says. */
public fun user(content: String): Message = Message(Role.USER, content)

/** What the application says to the model. */
public fun system(content: String): Message = Message(Role.SYSTEM, content)

/** What the model said, and the tools that it called. */
public fun assistant(content: String, toolCalls: List<ToolCall> = emptyList()): Message =
    Message(Role.ASSISTANT, content, toolCalls = toolCalls)

/** What the call [id] of a tool gave. */
public fun tool(id: String, content: String): Message = Message(Role.TOOL, content, toolCallId = id)
