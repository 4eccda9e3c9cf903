// The examples, run as their users run them, each in a JVM of its own.

package ai.indwell

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

class ExamplesTest {
    @Test
    fun `chat prints a reply and a streamed one`() {
        val output = run("ai.indwell.examples.chat.ChatKt")
        assertTrue(Regex("""\(\d+ tokens\)""").containsMatchIn(output), output)
        assertTrue(Regex("""\[(STOP|LENGTH) after \d+ tokens]\n$""").containsMatchIn(output), output)
    }

    @Test
    fun `concurrent takes fewer steps than tokens`() {
        val output = run("ai.indwell.examples.concurrent.ConcurrentKt")
        val (tokens, steps) = checkNotNull(Regex("""(\d+) tokens in (\d+) steps""").find(output)) { output }.destructured
        assertTrue(steps.toInt() * 2 < tokens.toInt(), output)
        assertTrue(output.lines().any { it.startsWith("INVALID_REQUEST: temperature is -1") }, output)
    }

    @Test
    fun `prefix cache computes instructions once`() {
        val output = run("ai.indwell.examples.prefixcache.PrefixCacheKt")
        val kept = checkNotNull(Regex("""(\d+) tokens are kept""").find(output)) { output }.groupValues[1].toInt()
        val cached = Regex("""(\d+) of (\d+) tokens were cached""").findAll(output).map { it.groupValues[1].toInt() }.toList()
        assertEquals(3, cached.size, output)
        assertTrue(kept > 100 && cached.all { it >= kept }, output)
    }

    @Test
    fun `response cache answers the same question once`() {
        val output = run("ai.indwell.examples.responsecache.ResponseCacheKt")
        val served = Regex("""\[(\w+) in [\d.]+ ms]""").findAll(output).map { it.groupValues[1] }.toList()
        assertEquals(listOf("computed", "RESPONSE", "computed", "SEMANTIC", "computed"), served, output)
        assertTrue("NOT_CACHED" in output, output)
        assertTrue(Regex("""answers were kept\n$""").containsMatchIn(output), output)
    }

    @Test
    fun `structured prints answers with a shape`() {
        val output = run("ai.indwell.examples.structured.StructuredKt")
        val answers = output.lines().filter { it.startsWith("  ") }.map { it.trim() }
        assertEquals(3, answers.size, output)
        assertTrue(Regex("""\{.*"name".*"country".*"population".*}""").matches(answers[0]), output)
        assertTrue(answers[1] in listOf("yes", "no"), output)
        assertTrue(Regex("""In the year \d{3,4}\.""").matches(answers[2]), output)
        assertTrue(output.lines().any { it.startsWith("INVALID_REQUEST: regex") }, output)
    }

    @Test
    fun `tools are called and answered`() {
        val output = run("ai.indwell.examples.tools.ToolsKt")
        assertTrue(Regex("""(?m)^get_weather\(\{.*"city".*}\)$""").containsMatchIn(output), output)
        assertTrue(Regex("""(?m)^get_weather: \{.*"city".*}$""").containsMatchIn(output), output)
    }

    private fun run(mainClass: String): String {
        val errors = File.createTempFile("indwell-example", ".err")
        try {
            val process = ProcessBuilder(
                "${System.getProperty("java.home")}/bin/java",
                "-cp", System.getProperty("java.class.path"),
                "-Djna.library.path=${System.getProperty("jna.library.path")}",
                mainClass,
                testModel,
            ).redirectError(errors).start()
            val output = process.inputStream.bufferedReader().readText()
            assertEquals(0, process.waitFor(), output + errors.readText())
            return output
        } finally {
            errors.delete()
        }
    }
}
