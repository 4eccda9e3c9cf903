// What every language shows: an answer, an error, a cancellation. Run with the model that INDWELL_TEST_MODEL names.

import Foundation
import Indwell
import Testing

@Suite struct AnswerTests {
    let model = ProcessInfo.processInfo.environment["INDWELL_TEST_MODEL"] ?? "smollm2-135m"

    @Test func aFlowAddsUpToTheReply() async throws {
        let engine = try await Engine.load(model)
        let stream = engine.chat("What is the capital of France?", options: RequestOptions(maxTokens: 16))
        var text = ""
        for try await event in stream { text += event.text }
        #expect(text == (try await stream.reply()).text)
        try engine.close()
    }

    @Test func aBadOptionIsNamed() async throws {
        let engine = try await Engine.load(model)
        do {
            _ = try await engine.chat("Hello", options: RequestOptions(maxTokens: 0)).reply()
            Issue.record("maxTokens 0 was taken")
        } catch let error as IndwellError {
            #expect(error.kind == .invalidRequest)
            #expect(error.details.field == "maxTokens")
        }
        try engine.close()
    }

    @Test func aPrefixIsKeptUntilItIsUnpinned() async throws {
        let engine = try await Engine.load(model)
        let instructions = Message.system(String(repeating: "Answer in one short sentence. ", count: 40))
        let prefix = try await engine.cachePrefix([instructions])
        let reply = try await engine.chat(
            [instructions, .user("What is a llama?")],
            options: RequestOptions(maxTokens: 4)
        ).reply()
        #expect(reply.usage.cachedTokens >= prefix.tokens)
        #expect(reply.usage.cache == .resident)
        prefix.unpin()
        while try engine.caches().pinnedTokens > 0 { await Task.yield() }
        #expect(try await engine.trim(0) == 0)
        try engine.close()
    }

    @Test func theSameQuestionIsAnsweredOnce() async throws {
        let engine = try await Engine.load(model)
        let stream = engine.chat("What is a llama?", options: RequestOptions(maxTokens: 8, logprobs: true))
        let first = try await stream.reply()
        let second = try await stream.reply()
        #expect(second.usage.cache == .response)
        #expect(second.usage.cachedTokens == second.usage.promptTokens)
        #expect(second.text == first.text)
        #expect(second.logprobs == first.logprobs)
        #expect(try engine.caches().response.hits == 1)
        #expect(try await engine.invalidateResponses() == 1)
        do {
            _ = try await engine.chat("What is a llama?", options: RequestOptions(maxTokens: 8, cache: .onlyIfCached)).reply()
            Issue.record("an answer that was forgotten was served")
        } catch let error as IndwellError {
            #expect(error.kind == .notCached)
        }
        try engine.close()
    }

    @Test func aVerifierDecidesWhatMeansTheSame() async throws {
        struct Mistake: Error {}
        let engine = try await Engine.load(model)
        let served = Semantic(distanceMax: 0.1, embed: { _ in [1, 2] }, verify: { $0.found == "One, two," })
        let failing = Semantic(distanceMax: 0.1, embed: { _ in throw Mistake() }, verify: { _ in true })
        let ask = { (prompt: String, semantic: Semantic) in
            try await engine.complete(prompt, options: RequestOptions(maxTokens: 4, semantic: semantic)).reply()
        }
        let first = try await ask("One, two,", served)
        let second = try await ask("Two, one,", served)
        #expect(second.usage.cache == .semantic)
        #expect(second.usage.semanticDistance == 0)
        #expect(second.text == first.text)
        let third = try await ask("One and two,", failing)
        #expect(third.usage.cache != .semantic)
        try engine.close()
    }

    @Test func aCancelledTaskFreesItsSequence() async throws {
        let engine = try await Engine.load(model)
        let task = Task {
            for try await _ in engine.chat("Write a long story.", options: RequestOptions(maxTokens: 400)) {
                withUnsafeCurrentTask { $0?.cancel() }
            }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        while try engine.stats().requestsRunning > 0 { await Task.yield() }
        #expect(try engine.stats().requestsCancelled == 1)
        try engine.close()
    }
}
