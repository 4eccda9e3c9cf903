"""The options of engines and requests.

The options' names, types, defaults and ranges are the engine's, the same in every language; it
checks them, and answers a wrong or unknown one with `InvalidRequestError`. None is the same as not
given. `Engine` and `Engine.chat` say what each does.
"""

from __future__ import annotations

from typing import Any, Dict, List, Literal, Mapping, Optional, Sequence, Tuple, TypedDict, Union

from .message import ToolChoice, ToolDict
from .semantic import Semantic

#: Whether a request takes part in the caches.
CacheMode = Literal["use", "bypass", "refresh", "only_if_cached"]

#: A step of sampling, by llama.cpp's name.
Sampler = Literal[
    "penalties",
    "dry",
    "top_n_sigma",
    "top_k",
    "typ_p",
    "top_p",
    "min_p",
    "xtc",
    "temperature",
]

#: What is added to a token's logit; False bans the token.
Bias = Union[float, Literal[False]]


class EngineOptions(TypedDict, total=False):
    """The options of `Engine`; see there."""

    context_tokens: Optional[int]
    sequences_max: Optional[int]
    batch_tokens: Optional[int]
    prefill_chunk_tokens: Optional[int]
    itl_target_ms: Optional[int]
    threads: Optional[int]
    queue_requests_max: Optional[int]
    queue_tokens_max: Optional[int]
    default_max_tokens: Optional[int]
    gpu_layers: Optional[int]
    flash_attention: Optional[bool]
    isolation: Optional[Literal["in_process", "process"]]
    speculation: Optional[Literal["auto", "off"]]
    stream_capacity: Optional[int]
    prefix_cache_tokens: Optional[int]
    host_cache_bytes: Optional[int]
    disk_cache_dir: Optional[str]
    disk_cache_bytes: Optional[int]
    response_cache_bytes: Optional[int]
    response_cache_ttl_ms: Optional[float]
    response_cache_dir: Optional[str]
    memory_bytes: Optional[int]
    chat_template: Optional[str]
    tool_parser: Optional[str]
    reasoning_parser: Optional[str]


class SamplingOptions(TypedDict, total=False):
    """How a request's tokens are drawn; see `Engine.chat`."""

    temperature: Optional[float]
    dynatemp_range: Optional[float]
    dynatemp_exponent: Optional[float]
    top_k: Optional[int]
    top_p: Optional[float]
    min_p: Optional[float]
    typical_p: Optional[float]
    top_n_sigma: Optional[float]
    xtc_probability: Optional[float]
    xtc_threshold: Optional[float]
    dry_multiplier: Optional[float]
    dry_base: Optional[float]
    dry_allowed_length: Optional[int]
    dry_penalty_last_n: Optional[int]
    dry_sequence_breakers: Optional[Sequence[str]]
    repeat_penalty: Optional[float]
    repeat_last_n: Optional[int]
    presence_penalty: Optional[float]
    frequency_penalty: Optional[float]
    mirostat: Optional[Literal[0, 1, 2]]
    mirostat_tau: Optional[float]
    mirostat_eta: Optional[float]
    samplers: Optional[Sequence[Sampler]]
    logit_bias: Union[Mapping[str, Bias], Sequence[Tuple[Union[int, str], Bias]], None]
    banned_strings: Optional[Sequence[str]]
    seed: Optional[int]


class ConstraintOptions(TypedDict, total=False):
    """What a request's answer is made to be; see `Engine.chat`. One of them at most."""

    json_schema: Union[Dict[str, Any], type, bool, str, None]
    json_object: Optional[bool]
    regex: Optional[str]
    choice: Optional[Sequence[str]]
    lark: Optional[str]
    gbnf: Optional[str]


class RequestOptions(SamplingOptions, ConstraintOptions, total=False):
    """The options of every request; see `Engine.chat`."""

    max_tokens: Optional[int]
    min_tokens: Optional[int]
    stop: Union[List[str], Tuple[str, ...], str, None]
    stop_tokens: Optional[Sequence[int]]
    ignore_eos: Optional[bool]
    n: Optional[int]
    best_of: Optional[int]
    logprobs: Optional[bool]
    top_logprobs: Optional[int]
    prompt_logprobs: Optional[bool]
    timeout_ms: Optional[float]
    cache: Optional[CacheMode]
    cache_salt: Optional[str]
    cache_ttl_ms: Optional[float]
    semantic: Optional[Semantic]


class ChatOptions(RequestOptions, total=False):
    """The options of `Engine.chat` and `Engine.achat`; see there."""

    tools: Optional[Sequence[Union[ToolDict, Dict[str, Any]]]]
    tool_choice: Optional[ToolChoice]
    parallel_tool_calls: Optional[bool]
    documents: Optional[Sequence[Dict[str, Any]]]
    template_args: Optional[Dict[str, Any]]
    continue_final_message: Optional[bool]
    separate_reasoning: Optional[bool]


class CompletionOptions(RequestOptions, total=False):
    """The options of `Engine.complete` and `Engine.acomplete`; see there."""

    parse_special: Optional[bool]


class PrefixOptions(TypedDict, total=False):
    """The options of `Engine.cache_prefix` and `Engine.acache_prefix`; see there."""

    cache_salt: Optional[str]
    timeout_ms: Optional[float]
