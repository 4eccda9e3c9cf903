"""What a caller may say: messages, and the options of engines and requests.

The options' names, types, defaults and ranges are the engine's, the same in every language; it
checks them, and answers a wrong or unknown one with `InvalidRequestError`. None is the same as not
given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Literal, Optional, Tuple, TypedDict, Union

from .semantic import Semantic

#: Who speaks.
Role = Literal["system", "user", "assistant"]

#: Whether a request takes part in the caches.
CacheMode = Literal["use", "bypass", "refresh", "only_if_cached"]


@dataclass(frozen=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: Who speaks: "system", "user" or "assistant".
        content: What is said.

    Example:
        >>> engine.chat([indwell.Message("system", "Be brief."), indwell.Message("user", "Hello")])
    """

    role: Role
    content: str


class MessageDict(TypedDict):
    """A message as a dict: `{"role": "user", "content": "Hello"}`. No other keys are taken."""

    role: Role
    content: str


#: A conversation: a string is one message of the user.
Messages = Union[str, Iterable[Union[Message, MessageDict, Dict[str, str]]]]


class EngineOptions(TypedDict, total=False):
    """The options of `Engine`; see there."""

    context_tokens: Optional[int]
    sequences_max: Optional[int]
    batch_tokens: Optional[int]
    prefill_chunk_tokens: Optional[int]
    threads: Optional[int]
    queue_requests_max: Optional[int]
    queue_tokens_max: Optional[int]
    default_max_tokens: Optional[int]
    gpu_layers: Optional[int]
    flash_attention: Optional[bool]
    stream_capacity: Optional[int]
    prefix_cache_tokens: Optional[int]
    host_cache_bytes: Optional[int]
    disk_cache_dir: Optional[str]
    disk_cache_bytes: Optional[int]
    response_cache_bytes: Optional[int]
    response_cache_ttl_ms: Optional[float]
    response_cache_dir: Optional[str]


class RequestOptions(TypedDict, total=False):
    """The options of `Engine.chat` and `Engine.achat`; see there."""

    max_tokens: Optional[int]
    temperature: Optional[float]
    top_k: Optional[int]
    top_p: Optional[float]
    min_p: Optional[float]
    seed: Optional[int]
    stop: Union[List[str], Tuple[str, ...], str, None]
    timeout_ms: Optional[float]
    logprobs: Optional[bool]
    cache: Optional[CacheMode]
    cache_salt: Optional[str]
    cache_ttl_ms: Optional[float]
    semantic: Optional[Semantic]


class CompletionOptions(RequestOptions, total=False):
    """The options of `Engine.complete` and `Engine.acomplete`; see there."""

    parse_special: Optional[bool]


class PrefixOptions(TypedDict, total=False):
    """The options of `Engine.cache_prefix` and `Engine.acache_prefix`; see there."""

    cache_salt: Optional[str]
    timeout_ms: Optional[float]


def characters(prompt: object) -> int:
    """How long a prompt or conversation is; 0 for what is neither, which is refused soon."""
    if isinstance(prompt, str):
        return len(prompt)
    if not isinstance(prompt, (list, tuple)):
        return 0
    contents = [
        message.get("content") if isinstance(message, dict) else getattr(message, "content", None)
        for message in prompt
    ]
    return sum(len(content) for content in contents if isinstance(content, str))
