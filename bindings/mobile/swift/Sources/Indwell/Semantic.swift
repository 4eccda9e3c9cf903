// Semantic mode: the caller's two functions, and how the native library calls them. What they throw ends with them.

internal import IndwellNative

/// How a request may be served the answer to an earlier question that means the same.
///
/// The prompt is embedded, and the nearest earlier prompt is looked up among those that were asked with a `Semantic` too,
/// of the same model, options and salt. If it is near enough and the verifier agrees, its answer is served, marked
/// ``CacheTier/semantic``. Otherwise the request is computed, and its answer remembered with its vector.
///
/// ```swift
/// let semantic = Semantic(distanceMax: 0.1, embed: embedder.embed, verify: { try judge($0.asked, $0.found) })
/// let reply = try await engine.chat("What is a llama?", options: RequestOptions(semantic: semantic)).reply()
/// ```
///
/// No distance tells "is it allowed" from "is it not allowed", or one number or name from another: the verifier must read
/// both questions. Do not use this where a wrong answer costs something, nor across tenants without a
/// ``RequestOptions/cacheSalt``.
///
/// A function that throws, takes too long, or gives a vector that is none, is logged as a warning, and the request is
/// computed. Use one embedding for all requests of an engine and salt: distances between vectors of two models mean nothing.
///
/// Both functions are called on threads of Indwell's own, several at once if there are several requests. One that never
/// returns keeps its thread; while eight do, nothing is asked any more, in the whole process, and requests are computed.
///
/// A value out of its range fails the request with `invalidRequest`. Two of these are equal if they are the same one.
public final class Semantic: Sendable, Hashable {
    /// The cosine distance up to which the verifier is asked, from 0 (the same direction) to 2.
    public let distanceMax: Double
    /// How long each of the two functions may take, waiting for a thread included; more than zero.
    public let timeout: Duration
    private let functions: Functions

    /// - Parameters:
    ///   - embed: turns a prompt into a vector: of one length always, finite, and not all zero. Of a chat the prompt is its
    ///     messages, one a line, as `role: content`.
    ///   - verify: says whether the earlier question's answer answers this one, too.
    public init(
        distanceMax: Double,
        embed: @escaping @Sendable (String) throws -> [Float],
        verify: @escaping @Sendable (SemanticMatch) throws -> Bool,
        timeout: Duration = .seconds(1)
    ) {
        self.distanceMax = distanceMax
        self.timeout = timeout
        self.functions = Functions(embed: embed, verify: verify)
    }

    var native: NativeSemantic {
        NativeSemantic(distanceMax: distanceMax, timeoutMs: timeout.milliseconds, functions: functions)
    }

    public static func == (one: Semantic, other: Semantic) -> Bool { one === other }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}

/// An earlier question that is near enough, for a verifier to judge.
public struct SemanticMatch: Sendable, Hashable {
    /// The question that was asked now: of a completion the prompt, of a chat the messages, one a line, as
    /// `role: content`.
    public let asked: String
    /// The earlier question, in the same form.
    public let found: String
    /// Its answer, which is served if the verifier agrees.
    public let answer: String
    /// The cosine distance between them: 0 in the same direction, 2 in opposite ones.
    public let distance: Float
}

/// Called on a thread of the native library's, which waits for what the functions give.
private final class Functions: NativeSemanticFunctions {
    private let embedding: @Sendable (String) throws -> [Float]
    private let verifier: @Sendable (SemanticMatch) throws -> Bool

    init(
        embed: @escaping @Sendable (String) throws -> [Float],
        verify: @escaping @Sendable (SemanticMatch) throws -> Bool
    ) {
        self.embedding = embed
        self.verifier = verify
    }

    func embed(prompt: String) throws -> [Float] {
        try guarded { try embedding(prompt) }
    }

    func verify(candidate: NativeSemanticMatch) throws -> Bool {
        let match = SemanticMatch(
            asked: candidate.asked,
            found: candidate.found,
            answer: candidate.answer,
            distance: candidate.distance
        )
        return try guarded { try verifier(match) }
    }

    private func guarded<T>(_ call: () throws -> T) throws -> T {
        do {
            return try call()
        } catch {
            throw NativeFunctionError.Failed(text: String(describing: error))
        }
    }
}
