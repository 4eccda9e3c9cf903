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

    @Test func aDrainedEngineServesWhatItAccepted() async throws {
        let engine = try await Engine.load(model)
        let reply = Task { try await engine.chat("Hello", options: RequestOptions(maxTokens: 8)).reply() }
        while try engine.stats().requestsRunning == 0 { await Task.yield() }
        #expect(try await engine.drain(timeout: .seconds(600)))
        #expect(engine.isClosed)
        #expect(try await reply.value.usage.completionTokens > 0)
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

    @Test func anAnswerFitsItsSchema() async throws {
        struct City: Decodable { let name: String, large: Bool }
        let engine = try await Engine.load(model)
        let schema: Json = """
            {"type": "object", "required": ["name", "large"], "additionalProperties": false,
             "properties": {"name": {"type": "string", "maxLength": 12}, "large": {"type": "boolean"}}}
            """
        let options = RequestOptions(maxTokens: 64, jsonSchema: schema)
        let reply = try await engine.chat("Name a city.", options: options).reply()
        _ = try JSONDecoder().decode(City.self, from: Data(reply.text.utf8))
        do {
            _ = try await engine.chat("Hello", options: RequestOptions(jsonSchema: "{")).reply()
            Issue.record("a schema that is no JSON was taken")
        } catch let error as IndwellError {
            #expect(error.details.field == "jsonSchema")
        }
        try engine.close()
    }

    @Test func aToolIsCalled() async throws {
        let engine = try await Engine.load(model)
        let tool = Tool(
            name: "look_up",
            parameters: #"{"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]}"#
        )
        let options = RequestOptions(maxTokens: 96, tools: [tool], toolChoice: .required)
        let question = Message.user("What is the weather in Paris?")
        let stream = engine.chat([question], options: options)
        var arguments = ""
        for try await event in stream {
            if case .toolCall(let delta) = event, delta.index == 0 { arguments += delta.arguments }
        }
        let reply = try await stream.reply()
        #expect(reply.finishReason == .toolCalls)
        #expect(reply.toolCalls.first?.arguments == arguments)
        let conversation = [question, reply.message] + reply.toolCalls.map { Message.tool($0.id, "clear, 21 degrees") }
        var answering = options
        answering.toolChoice = .never
        #expect(try await engine.chat(conversation, options: answering).reply().toolCalls.isEmpty)
        try engine.close()
    }

    @Test func aRequestInOpenAIsShapeIsAnswered() async throws {
        let engine = try await Engine.load(model)
        var statuses: [Int] = []
        var body = ""
        let request = #"{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "stream": true}"#
        for try await event in engine.dispatch("POST", "/v1/chat/completions", body: Data(request.utf8)) {
            switch event {
            case .head(let status, _): statuses.append(status)
            case .chunk(let text): body += text
            }
        }
        #expect(statuses == [200])
        #expect(body.hasPrefix("data: ") && body.hasSuffix("data: [DONE]\n\n"))
        #expect(try engine.metricsText().contains("# TYPE "))
        try engine.close()
    }
}
