// Requests in the shape of OpenAI's HTTP API, answered in the process. Owns the life of the native exchange.

internal import IndwellNative

/// One thing that ``Engine/dispatch(_:_:body:)`` says.
public enum HttpEvent: Sendable, Hashable {
    /// How the response begins: its HTTP status, and its headers in their order, names in lower case. The first event,
    /// once.
    case head(status: Int, headers: [HttpHeader])
    /// More of the body: all of it at once where it is JSON, an event at a time where it is a stream of events. Whole
    /// characters only.
    case chunk(String)
}

/// A header of a response.
public struct HttpHeader: Sendable, Hashable {
    /// In lower case.
    public let name: String
    public let value: String
}

/// The response to one request: one ``HttpEvent/head(status:headers:)``, then any number of ``HttpEvent/chunk(_:)``.
///
/// Each iteration is a request of its own, which starts when it is first read, and is cancelled as a ``TokenStream``'s is.
public struct HttpExchange: AsyncSequence, Sendable {
    public typealias Element = HttpEvent

    private let submit: @Sendable () throws -> NativeExchange

    init(_ submit: @escaping @Sendable () throws -> NativeExchange) {
        self.submit = submit
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(state: .notStarted(submit))
    }

    /// Reads one response.
    public struct AsyncIterator: AsyncIteratorProtocol {
        enum State {
            case notStarted(@Sendable () throws -> NativeExchange)
            /// The events of the last batch that have not been returned yet.
            case reading(NativeExchange, ArraySlice<NativeHttpEvent>)
            /// Holds no exchange: the last reference to it went, which cancels one that had not ended.
            case ended
        }

        var state: State

        /// The next event, or nil after the last one.
        public mutating func next() async throws -> HttpEvent? {
            do {
                try Task.checkCancellation()
                return try await read()
            } catch {
                state = .ended
                throw error
            }
        }

        private mutating func read() async throws -> HttpEvent? {
            switch state {
            case .ended:
                return nil
            case .notStarted(let submit):
                state = .reading(try callNative(submit), [])
                return try await read()
            case .reading(let exchange, var batch):
                if batch.isEmpty {
                    batch = try await nextBatch(of: exchange)[...]
                }
                let event = batch.removeFirst()
                state = .reading(exchange, batch)
                return received(event)
            }
        }

        private func nextBatch(of exchange: NativeExchange) async throws -> [NativeHttpEvent] {
            let batch = await withTaskCancellationHandler {
                await exchange.nextBatch()
            } onCancel: {
                exchange.cancel()
            }
            try Task.checkCancellation()
            if batch.isEmpty { throw IndwellError.internal("the exchange ended without saying so") }
            return batch
        }

        private mutating func received(_ event: NativeHttpEvent) -> HttpEvent? {
            switch event {
            case .head(let status, let headers):
                return .head(
                    status: Int(status),
                    headers: headers.map { HttpHeader(name: $0.name, value: $0.value) }
                )
            case .chunk(let text):
                return .chunk(text)
            case .end:
                state = .ended
                return nil
            }
        }
    }
}
