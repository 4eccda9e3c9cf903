// Requests in the shape of OpenAI's HTTP API: whole, as a stream of events, wrong, and cancelled.

package ai.indwell

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import kotlinx.serialization.json.Json as Parser

class DispatchTest {
    @Test
    fun `a chat is one chunk of JSON`() = runBlocking<Unit> {
        val response = engine.dispatch("POST", "/v1/chat/completions", chat("max_tokens" to 8, "temperature" to 0)).response()
        assertEquals(200, response.status)
        assertEquals("application/json", response.contentType)
        val choice = response.json().getValue("choices").jsonArray.single().jsonObject
        val text = choice.getValue("message").jsonObject.getValue("content").jsonPrimitive.content
        assertEquals(engine.chat("Count to five.", RequestOptions(maxTokens = 8)).reply().text, text)
        assertEquals("length", choice.getValue("finish_reason").jsonPrimitive.content)
        val usage = response.json().getValue("usage").jsonObject
        assertEquals(8, usage.getValue("completion_tokens").jsonPrimitive.int)
    }

    @Test
    fun `a streamed chat is an event a chunk, and done at its end`() = runBlocking<Unit> {
        val body = chat("max_tokens" to 8, "temperature" to 0, "stream" to true)
        val response = engine.dispatch("POST", "/chat/completions", body.encodeToByteArray()).response()
        assertEquals(200, response.status)
        assertTrue(response.contentType.startsWith("text/event-stream"), response.contentType)
        val data = response.chunks.flatMap { it.trim().lines() }.filter { it.isNotEmpty() }
        assertTrue(data.all { it.startsWith("data: ") }, "$data")
        assertEquals("data: [DONE]", data.last())
        val deltas = data.dropLast(1).flatMap { line ->
            Parser.parseToJsonElement(line.removePrefix("data: ")).jsonObject.getValue("choices").jsonArray
        }
        val text = deltas.joinToString("") { (it.jsonObject.getValue("delta").jsonObject["content"]).contentOrEmpty() }
        assertEquals(engine.chat("Count to five.", RequestOptions(maxTokens = 8)).reply().text, text)
    }

    @Test
    fun `models are listed`() = runBlocking<Unit> {
        val response = engine.dispatch("GET", "/v1/models").response()
        assertEquals(200, response.status)
        val models = response.json().getValue("data").jsonArray
        assertTrue(models.isNotEmpty() && models.all { it.jsonObject.getValue("object").jsonPrimitive.content == "model" })
    }

    @TestFactory
    fun `what is wrong is an error in OpenAI's shape`(): List<DynamicTest> = listOf(
        Triple("an unknown path", 404, engine.dispatch("GET", "/v1/nothing")),
        Triple("no JSON", 400, engine.dispatch("POST", "/v1/chat/completions", "{")),
        Triple("bytes that are no text", 400, engine.dispatch("POST", "/v1/chat/completions", byteArrayOf(-1, -2))),
        Triple("an unknown field", 400, engine.dispatch("POST", "/v1/chat/completions", chat("maximum" to 3))),
        Triple("no messages", 400, engine.dispatch("POST", "/v1/chat/completions", "{}")),
        Triple("a bad option", 400, engine.dispatch("POST", "/v1/chat/completions", chat("temperature" to -1))),
        Triple("a bad option of a stream", 400, engine.dispatch("POST", "/v1/chat/completions", chat("top_p" to 7, "stream" to true))),
        Triple("a method that is not there", 405, engine.dispatch("DELETE", "/v1/chat/completions")),
    ).map { (name, status, exchange) ->
        dynamicTest(name) {
            val response = runBlocking { exchange.response() }
            assertEquals(status, response.status, "${response.chunks}")
            val error = response.json().getValue("error").jsonObject
            assertEquals(setOf("message", "type", "param", "code"), error.keys)
            assertTrue(error.getValue("message").jsonPrimitive.content.isNotEmpty())
            assertServes(engine)
        }
    }

    @Test
    fun `text that is not Unicode is refused`() {
        for (exchange in listOf(engine.dispatch("POST", "/v1/models", "\uD800"), engine.dispatch("GET", "\uDC00"))) {
            val error = assertThrows(IndwellException.InvalidRequest::class.java) { runBlocking { exchange.toList() } }
            assertTrue(error.details.field in listOf("body", "path"), "$error")
        }
    }

    @Test
    fun `cancelling the coroutine frees the sequence`() = runBlocking<Unit> {
        loadSmall().use { small ->
            val reading = CompletableDeferred<Unit>()
            val job = launch(Dispatchers.Default) {
                small.dispatch("POST", "/v1/chat/completions", long()).collect {
                    if (it is HttpEvent.Chunk) reading.complete(Unit)
                }
            }
            reading.await()
            job.cancel()
            val steps = small.stats().steps
            val free = small.awaitStats { it.requestsRunning == 0 }
            assertTrue(free.steps - steps <= 1, "${free.steps - steps} steps")
            assertEquals(1, small.awaitStats { it.requestsCancelled > 0 }.requestsCancelled)
        }
    }

    @Test
    fun `taking the first events cancels the rest`() = runBlocking<Unit> {
        loadSmall().use { small ->
            val events = small.dispatch("POST", "/v1/chat/completions", long()).take(3).toList()
            assertTrue(events.first() is HttpEvent.Head)
            assertEquals(1, small.awaitStats { it.requestsCancelled > 0 }.requestsCancelled)
            assertServes(small)
        }
    }

    @Test
    fun `a closed engine answers with an error`() = runBlocking<Unit> {
        val closed = loadSmall().apply { close() }
        val response = closed.dispatch("POST", "/v1/chat/completions", chat()).response()
        assertTrue(response.status >= 500, "${response.status}")
        assertTrue("error" in response.json())
    }

    @Test
    fun `the counters are told as Prometheus reads them`() = runBlocking<Unit> {
        engine.complete("One,", RequestOptions(maxTokens = 1)).reply()
        val text = engine.metricsText()
        assertTrue(text.lines().any { it.startsWith("# TYPE ") }, text)
        val samples = text.lines().filter { it.isNotEmpty() && !it.startsWith("#") }
        assertTrue(samples.isNotEmpty() && samples.all { it.startsWith("indwell") && it.substringAfterLast(' ').toDouble() >= 0 }, text)
    }

    private class Response(val status: Int, headers: List<Pair<String, String>>, val chunks: List<String>) {
        val contentType: String = headers.single { it.first == "content-type" }.second

        fun json(): JsonObject = Parser.parseToJsonElement(chunks.single()).jsonObject
    }

    /** Reads all: one head, which comes first, and then chunks. */
    private suspend fun Flow<HttpEvent>.response(): Response {
        val events = toList()
        val head = events.first() as HttpEvent.Head
        return Response(head.status, head.headers, events.drop(1).map { (it as HttpEvent.Chunk).text })
    }

    private fun long(): String = chat("max_tokens" to 1500, "stream" to true, "ignore_eos" to true)

    private fun chat(vararg more: Pair<String, Any>): String {
        val message = mapOf("role" to "user", "content" to "Count to five.")
        return Json.of(mapOf("model" to engine.model.name, "messages" to listOf(message)) + more).text
    }

    private fun JsonElement?.contentOrEmpty(): String =
        if (this == null || this is JsonNull) "" else (this as JsonPrimitive).content
}
