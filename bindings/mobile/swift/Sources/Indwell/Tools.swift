// Tools that a model may call, and its calls. Plain values.

/// A tool that the model may call.
///
/// ```swift
/// let weather = Tool(
///     name: "get_weather",
///     description: "The weather in a city, now",
///     parameters: #"{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"#
/// )
/// ```
public struct Tool: Sendable, Hashable {
    /// 1 to 64 letters, digits, `_` and `-`.
    public var name: String
    /// What it does, for the model; none.
    public var description: String?
    /// Its arguments, as the JSON schema of an object: the model's calls fit it; none.
    public var parameters: Json?

    public init(name: String, description: String? = nil, parameters: Json? = nil) {
        self.name = name
        self.description = description
        self.parameters = parameters
    }
}

/// A call of a tool, as the model makes it.
public struct ToolCall: Sendable, Hashable {
    /// What its result is told by: ``Message/tool(_:_:)`` with it and with what the tool gave is the message to go on
    /// with.
    public var id: String
    /// The tool's name.
    public var name: String
    /// Its arguments: a JSON object as text.
    public var arguments: String

    public init(id: String, name: String, arguments: String) {
        self.id = id
        self.name = name
        self.arguments = arguments
    }
}

/// Whether the model calls tools.
public enum ToolChoice: Sendable, Hashable {
    /// As it likes.
    case auto
    /// It does not, and is not told of any. Not called `none`, which an optional has for nil.
    case never
    /// It calls one at least.
    case required
    /// It calls the tool of this name.
    case named(String)
}
