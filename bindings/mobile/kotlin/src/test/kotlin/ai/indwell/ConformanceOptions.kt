// The options and messages of conformance cases, as Kotlin has them.

package ai.indwell

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.double
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.jupiter.api.Assertions.fail
import kotlin.time.Duration.Companion.milliseconds

fun engineOptions(given: JsonObject): EngineOptions =
    given.entries.fold(EngineOptions()) { options, (name, value) ->
        when (name) {
            "context_tokens" -> options.copy(contextTokens = value.int)
            "sequences_max" -> options.copy(sequencesMax = value.int)
            "batch_tokens" -> options.copy(batchTokens = value.int)
            "prefill_chunk_tokens" -> options.copy(prefillChunkTokens = value.int)
            "itl_target_ms" -> options.copy(itlTarget = value.double.milliseconds)
            "threads" -> options.copy(threads = value.int)
            "queue_requests_max" -> options.copy(queueRequestsMax = value.int)
            "queue_tokens_max" -> options.copy(queueTokensMax = value.int)
            "default_max_tokens" -> options.copy(defaultMaxTokens = value.int)
            "gpu_layers" -> options.copy(gpuLayers = value.int)
            "flash_attention" -> options.copy(flashAttention = value.flag)
            "isolation" -> options.copy(isolation = Isolation.valueOf(value.text.uppercase()))
            "speculation" -> options.copy(speculation = Speculation.valueOf(value.text.uppercase()))
            "stream_capacity" -> options.copy(streamCapacity = value.int)
            "prefix_cache_tokens" -> options.copy(prefixCacheTokens = value.int)
            "host_cache_bytes" -> options.copy(hostCacheBytes = value.jsonPrimitive.long)
            "disk_cache_dir" -> options.copy(diskCacheDir = value.text)
            "disk_cache_bytes" -> options.copy(diskCacheBytes = value.jsonPrimitive.long)
            "response_cache_bytes" -> options.copy(responseCacheBytes = value.jsonPrimitive.long)
            "response_cache_ttl_ms" -> options.copy(responseCacheTtl = value.double.milliseconds)
            "response_cache_dir" -> options.copy(responseCacheDir = value.text)
            "memory_bytes" -> options.copy(memoryBytes = value.jsonPrimitive.long)
            "chat_template" -> options.copy(chatTemplate = value.text)
            "tool_parser" -> options.copy(toolParser = value.text)
            "reasoning_parser" -> options.copy(reasoningParser = value.text)
            else -> fail("option $name is not known here")
        }
    }

fun requestOptions(given: JsonObject): RequestOptions =
    given.entries.fold(RequestOptions()) { options, (name, value) ->
        when (name) {
            "max_tokens" -> options.copy(maxTokens = value.int)
            "min_tokens" -> options.copy(minTokens = value.int)
            "stop" -> options.copy(stop = value.texts)
            "stop_tokens" -> options.copy(stopTokens = value.jsonArray.map { it.int })
            "ignore_eos" -> options.copy(ignoreEos = value.flag)
            "n" -> options.copy(n = value.int)
            "best_of" -> options.copy(bestOf = value.int)
            "timeout_ms" -> options.copy(timeout = value.double.milliseconds)
            "logprobs" -> options.copy(logprobs = value.flag)
            "top_logprobs" -> options.copy(topLogprobs = value.int)
            "prompt_logprobs" -> options.copy(promptLogprobs = value.flag)
            "cache" -> options.copy(cache = CacheMode.entries.single { it.name.lowercase() == value.text })
            "cache_salt" -> options.copy(cacheSalt = value.text)
            "cache_ttl_ms" -> options.copy(cacheTtl = value.double.milliseconds)
            "parse_special" -> options
            else -> sampling(options, name, value) ?: structure(options, name, value)
        }
    }

private fun sampling(options: RequestOptions, name: String, value: JsonElement): RequestOptions? =
    when (name) {
        "temperature" -> options.copy(temperature = value.double)
        "dynatemp_range" -> options.copy(dynatempRange = value.double)
        "dynatemp_exponent" -> options.copy(dynatempExponent = value.double)
        "top_k" -> options.copy(topK = value.int)
        "top_p" -> options.copy(topP = value.double)
        "min_p" -> options.copy(minP = value.double)
        "typical_p" -> options.copy(typicalP = value.double)
        "top_n_sigma" -> options.copy(topNSigma = value.double)
        "xtc_probability" -> options.copy(xtcProbability = value.double)
        "xtc_threshold" -> options.copy(xtcThreshold = value.double)
        "dry_multiplier" -> options.copy(dryMultiplier = value.double)
        "dry_base" -> options.copy(dryBase = value.double)
        "dry_allowed_length" -> options.copy(dryAllowedLength = value.int)
        "dry_penalty_last_n" -> options.copy(dryPenaltyLastN = value.int)
        "dry_sequence_breakers" -> options.copy(drySequenceBreakers = value.texts)
        "repeat_penalty" -> options.copy(repeatPenalty = value.double)
        "repeat_last_n" -> options.copy(repeatLastN = value.int)
        "presence_penalty" -> options.copy(presencePenalty = value.double)
        "frequency_penalty" -> options.copy(frequencyPenalty = value.double)
        "mirostat" -> options.copy(mirostat = value.int)
        "mirostat_tau" -> options.copy(mirostatTau = value.double)
        "mirostat_eta" -> options.copy(mirostatEta = value.double)
        "samplers" -> options.copy(samplers = value.texts.map { code -> Sampler.entries.single { it.code == code } })
        "logit_bias" -> options.copy(logitBias = biases(value))
        "banned_strings" -> options.copy(bannedStrings = value.texts)
        "seed" -> options.copy(seed = value.jsonPrimitive.long)
        else -> null
    }

private fun structure(options: RequestOptions, name: String, value: JsonElement): RequestOptions =
    when (name) {
        // Other languages may give a schema as its text.
        "json_schema" -> options.copy(jsonSchema = if (value is JsonPrimitive && value.isString) Json(value.content) else value.json)
        "json_object" -> options.copy(jsonObject = value.flag)
        "regex" -> options.copy(regex = value.text)
        "choice" -> options.copy(choice = value.texts)
        "lark" -> options.copy(lark = value.text)
        "gbnf" -> options.copy(gbnf = value.text)
        "tools" -> options.copy(tools = value.jsonArray.map(::toolOf))
        "tool_choice" -> options.copy(toolChoice = toolChoice(value))
        "parallel_tool_calls" -> options.copy(parallelToolCalls = value.flag)
        "documents" -> options.copy(documents = value.jsonArray.map { it.json })
        "template_args" -> options.copy(templateArgs = value.json)
        "continue_final_message" -> options.copy(continueFinalMessage = value.flag)
        "separate_reasoning" -> options.copy(separateReasoning = value.flag)
        else -> fail("option $name is not known here")
    }

private fun biases(value: JsonElement): List<LogitBias> {
    val pairs = when (value) {
        is JsonObject -> value.map { (token, bias) -> JsonPrimitive(token) to bias }
        else -> value.jsonArray.map { it.jsonArray[0].jsonPrimitive to it.jsonArray[1] }
    }
    return pairs.map { (what, bias) ->
        val by = bias.jsonPrimitive.content.toDoubleOrNull()
        what.content.toIntOrNull()?.let { LogitBias.Token(it, by) } ?: LogitBias.Text(what.content, by)
    }
}

private fun toolOf(value: JsonElement): Tool {
    val tool = value.jsonObject["function"]?.jsonObject ?: value.jsonObject
    return Tool(tool.text("name")!!, tool.text("description"), tool["parameters"]?.json)
}

private fun toolChoice(value: JsonElement): ToolChoice =
    when {
        value is JsonObject -> ToolChoice.Named((value["function"]?.jsonObject ?: value).text("name")!!)
        value.text == "auto" -> ToolChoice.Auto
        value.text == "none" -> ToolChoice.None
        value.text == "required" -> ToolChoice.Required
        else -> fail("tool_choice $value is not known here")
    }

/** A message of a case; null for what Kotlin's types cannot say. */
fun messageOf(given: JsonObject): Message? {
    val role = Role.entries.singleOrNull { it.name.lowercase() == given.text("role").let { role -> if (role == "developer") "system" else role } }
    val content = given["content"]?.takeIf { it is JsonPrimitive }
    if (role == null || content == null) return null
    return Message(
        role = role,
        content = content.jsonPrimitive.takeIf { it !is JsonNull }?.content.orEmpty(),
        name = given.text("name"),
        reasoning = given.text("reasoning"),
        toolCalls = (given["tool_calls"] as? JsonArray)?.map(::toolCallOf).orEmpty(),
        toolCallId = given.text("tool_call_id"),
    )
}

private fun toolCallOf(value: JsonElement): ToolCall {
    val call = value.jsonObject["function"]?.jsonObject ?: value.jsonObject
    val arguments = call.getValue("arguments")
    val text = if (arguments is JsonPrimitive) arguments.content else arguments.toString()
    return ToolCall(value.jsonObject.text("id").orEmpty(), call.text("name")!!, text)
}

private fun JsonObject.text(name: String): String? = (get(name) as? JsonPrimitive)?.takeIf { it !is JsonNull }?.content

private val JsonElement.text: String get() = (this as JsonPrimitive).content
private val JsonElement.texts: List<String> get() = if (this is JsonArray) map { it.text } else listOf(text)
private val JsonElement.json: Json get() = Json(toString())
private val JsonElement.int: Int get() = jsonPrimitive.int
private val JsonElement.double: Double get() = jsonPrimitive.double
private val JsonElement.flag: Boolean get() = jsonPrimitive.boolean
