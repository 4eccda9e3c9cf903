"""What a request gives back: the events of a stream, and the reply they add up to.

The native module builds these classes by position: the order of their fields is a contract with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Optional, Tuple, Union

#: Why a request ended: the model or a stop string ended it, or `max_tokens` or the context was
#: full.
FinishReason = Literal["stop", "length"]

#: Where cached tokens came from, fastest first: the stored answer to the same question, or to one
#: that means the same, the memory that the model computes in, snapshots in the host's memory,
#: snapshots in files.
CacheTier = Literal["response", "semantic", "resident", "host", "disk"]


@dataclass(frozen=True)
class Usage:
    """How many tokens a request took.

    Attributes:
        prompt_tokens: Tokens of the prompt, the chat template's included.
        completion_tokens: Tokens of the answer, without the one that ended it.
        cached_tokens: Tokens of the prompt that were cached, and not computed anew.
        cache: Where they came from. "response": nothing was computed, the answer was stored, or
            another request was computing it; "semantic": nothing was computed, the answer is that
            to an earlier question that means the same. Otherwise "resident", "host" or "disk", the
            slowest that took part; None if there are none.
        semantic_distance: How far that earlier question is from this one, where `cache` is
            "semantic": the cosine distance, from 0 (the same direction) to 2; else None.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache: Optional[CacheTier]
    semantic_distance: Optional[float]

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Timings:
    """Where a request's time went, in milliseconds.

    Attributes:
        queued_ms: From the call until its prompt was begun.
        prefill_ms: From then until the first token.
        ttft_ms: From the call to the first token.
        decode_ms: From the first token to the last.
        total_ms: From the call to the end.
    """

    queued_ms: float
    prefill_ms: float
    ttft_ms: float
    decode_ms: float
    total_ms: float


@dataclass(frozen=True)
class TokenLogprob:
    """One token and how likely it was.

    Attributes:
        token: The token's id in the model's vocabulary.
        logprob: The natural logarithm of its probability, at temperature 1 and before any filter.
    """

    token: int
    logprob: float


@dataclass(frozen=True)
class TextDelta:
    """An event: the next piece of text.

    Attributes:
        type: Always "text".
        text: The piece; whole characters only. Empty where an event brings nothing but
            log-probabilities.
        logprobs: The tokens since the last event, if the request asked for `logprobs`, else empty.
    """

    type: ClassVar[Literal["text"]] = "text"

    text: str
    logprobs: Tuple[TokenLogprob, ...]


@dataclass(frozen=True)
class Finished:
    """The last event of a stream that was neither cancelled nor failed.

    Attributes:
        type: Always "finished".
        reason: "stop" if the model or a stop string ended the text, "length" if `max_tokens` or the
            context did.
        usage: How many tokens it took.
        timings: Where the time went.
        decode_tokens_per_second: How fast the tokens after the first one came; 0 for fewer than two
            tokens.
    """

    type: ClassVar[Literal["finished"]] = "finished"

    reason: FinishReason
    usage: Usage
    timings: Timings
    decode_tokens_per_second: float


#: What a stream yields. A cancelled or failed stream raises instead of a last event.
Event = Union[TextDelta, Finished]


@dataclass(frozen=True)
class Reply:
    """A whole answer.

    Attributes:
        text: The answer.
        finish_reason: "stop" if the model or a stop string ended the text, "length" if `max_tokens`
            or the context did.
        usage: How many tokens it took.
        timings: Where the time went.
        logprobs: The tokens of the answer, if the request asked for `logprobs`, else empty.
        decode_tokens_per_second: How fast the tokens after the first one came; 0 for fewer than two
            tokens.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    logprobs: Tuple[TokenLogprob, ...]
    decode_tokens_per_second: float
