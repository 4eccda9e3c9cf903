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
}

/**
 * One turn of a conversation.
 *
 * @property role who says it
 * @property content what is said
 */
public data class Message(val role: Role, val content: String)

/** What the user says. */
public fun user(content: String): Message = Message(Role.USER, content)

/** What the application says to the model. */
public fun system(content: String): Message = Message(Role.SYSTEM, content)

/** What the model said. */
public fun assistant(content: String): Message = Message(Role.ASSISTANT, content)
