// What a conversation is made of. Plain values.

/// Who says a ``Message``.
public enum Role: String, Sendable, Hashable {
    /// Whoever runs the application: instructions that hold for the whole conversation.
    case system
    /// Whoever asks.
    case user
    /// The model.
    case assistant
    /// A tool that the model called: what it gave.
    case tool
}

/// One turn of a conversation. Text in it never becomes a control token.
public struct Message: Sendable, Hashable {
    /// Who says it.
    public var role: Role
    /// What is said; empty where the model only calls tools.
    public var content: String
    /// Who says it, by name, for templates that tell several apart; none.
    public var name: String?
    /// What the model thought before it spoke, for templates that show it; none.
    public var reasoning: String?
    /// The tools that the model calls with it; none.
    public var toolCalls: [ToolCall]
    /// Which call this is the result of; of messages of tools.
    public var toolCallId: String?

    public init(
        role: Role,
        content: String,
        name: String? = nil,
        reasoning: String? = nil,
        toolCalls: [ToolCall] = [],
        toolCallId: String? = nil
    ) {
        self.role = role
        self.content = content
        self.name = name
        self.reasoning = reasoning
        self.toolCalls = toolCalls
        self.toolCallId = toolCallId
    }

    /// What the user says.
    public static func user(_ content: String) -> Message { Message(role: .user, content: content) }

    /// What the application says to the model.
    public static func system(_ content: String) -> Message { Message(role: .system, content: content) }

    /// What the model said, and the tools that it called.
    public static func assistant(_ content: String, toolCalls: [ToolCall] = []) -> Message {
        Message(role: .assistant, content: content, toolCalls: toolCalls)
    }

    /// What the call `id` of a tool gave.
    public static func tool(_ id: String, _ content: String) -> Message {
        Message(role: .tool, content: content, toolCallId: id)
    }
}
