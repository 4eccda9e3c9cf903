// JSON as text: what schemas and other values of any shape are given as.

import Foundation

/// A JSON value, as its text. What is no JSON fails the request with `invalidRequest`.
///
/// ```swift
/// let given: Json = #"{"type": "string", "maxLength": 5}"#
/// let made = try Json(encoding: ["type": "string"])
/// ```
public struct Json: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The JSON text.
    public let text: String

    public init(_ text: String) {
        self.text = text
    }

    public init(stringLiteral text: String) {
        self.init(text)
    }

    /// The JSON of a value of Swift's.
    ///
    /// - Throws: what the value fails to encode with.
    public init(encoding value: some Encodable) throws {
        self.init(String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
    }

    public var description: String { text }
}
