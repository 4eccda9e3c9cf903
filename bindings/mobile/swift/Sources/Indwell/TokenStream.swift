// The answer to one request, as an AsyncSequence. Owns the life of the native stream.

internal import IndwellNative

/// The answer to one request: any number of ``Event/text(_:)`` and other events, then one ``Event/finished(_:)``.
///
/// Each iteration is a request of its own, which starts when it is first read. It is cancelled when its iterator goes
/// away before the end, as after `break`, or when the task that waits for the next event is cancelled, which then
/// throws a `CancellationError`; no event follows. Cancelling frees the request's place in the engine within one step,
/// also while the prompt is being read.
///
/// No thread is blocked while waiting. A reader that is slow pauses its own request and no other.
///
/// Iterating throws the ``IndwellError`` that the request fails with.
public struct TokenStream: AsyncSequence, Sendable {
    public typealias Element = Event

    private let submit: @Sendable () throws -> NativeStream

    init(_ submit: @escaping @Sendable () throws -> NativeStream) {
        self.submit = submit
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(state: .notStarted(submit))
    }

    /// Waits for the whole answer. Each call is a request of its own, as each iteration is.
    ///
    /// - Throws: ``IndwellError`` where the request fails, `CancellationError` where the task is cancelled.
    public func reply() async throws -> Reply {
        try Task.checkCancellation()
        let stream = try callNative(submit)
        do {
            let reply = try await withTaskCancellationHandler {
                try await awaitNative { try await stream.reply() }
            } onCancel: {
                stream.cancel()
            }
            return Reply(reply)
        } catch {
            // Who cancelled hears of that, not of the request's end.
            try Task.checkCancellation()
            throw error
        }
    }

    /// Reads one request's events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        enum State {
            case notStarted(@Sendable () throws -> NativeStream)
            /// The events of the last batch that have not been returned yet.
            case reading(NativeStream, ArraySlice<NativeEvent>)
            /// Holds no stream: the last reference to it went, which cancels a request that had not ended.
            case ended
        }

        var state: State

        /// The next event, or nil after the last one.
        public mutating func next() async throws -> Event? {
            do {
                try Task.checkCancellation()
                return try await read()
            } catch {
                state = .ended
                throw error
            }
        }

        private mutating func read() async throws -> Event? {
            switch state {
            case .ended:
                return nil
            case .notStarted(let submit):
                state = .reading(try callNative(submit), [])
                return try await read()
            case .reading(let stream, var batch):
                if batch.isEmpty {
                    batch = try await nextBatch(of: stream)[...]
                }
                let event = batch.removeFirst()
                state = .reading(stream, batch)
                return try received(event)
            }
        }

        private func nextBatch(of stream: NativeStream) async throws -> [NativeEvent] {
            let batch = await withTaskCancellationHandler {
                await stream.nextBatch()
            } onCancel: {
                stream.cancel()
            }
            try Task.checkCancellation()
            if batch.isEmpty { throw IndwellError.internal("the stream ended without saying why") }
            return batch
        }

        private mutating func received(_ event: NativeEvent) throws -> Event {
            switch event {
            case .promptLogprobs(let tokens):
                return .promptLogprobs(tokens.map(PromptLogprob.init))
            case .reasoning(let choice, let text):
                return .reasoning(ReasoningDelta(reasoning: text, choice: Int(choice)))
            case .text(let choice, let text, let logprobs):
                return .text(TextDelta(text: text, logprobs: logprobs.map(TokenLogprob.init), choice: Int(choice)))
            case .toolCall(let choice, let index, let id, let name, let arguments):
                return .toolCall(
                    ToolCallDelta(index: Int(index), id: id, name: name, arguments: arguments, choice: Int(choice))
                )
            case .choiceFinished(let choice, let reason):
                return .choiceFinished(ChoiceFinished(choice: Int(choice), reason: FinishReason(reason)))
            case .finished(let reason, let usage, let timings, let decodeTokensPerSecond):
                state = .ended
                return .finished(
                    Finished(
                        reason: FinishReason(reason),
                        usage: Usage(usage),
                        timings: Timings(timings),
                        decodeTokensPerSecond: decodeTokensPerSecond
                    )
                )
            case .cancelled:
                throw IndwellError.cancelled
            case .failed(let error):
                throw IndwellError(error)
            }
        }
    }
}
