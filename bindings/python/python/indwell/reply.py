"""What a request gives back: the events of a stream, and the reply they add up to.

The native module builds these classes by position: the order of their fields is a contract with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Optional, Tuple, Union

from .message import Message, ToolCall

#: Why an answer ended: the model or a stop string ended it, or `max_tokens` or the context was
#: full, or it calls tools.
FinishReason = Literal["stop", "length", "tool_calls"]

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
class TopLogprob:
    """A token that could have come, and how likely it was.

    Attributes:
        token: The token's id in the model's vocabulary.
        logprob: The natural logarithm of its probability, at temperature 1 and before any filter.
    """

    token: int
    logprob: float


@dataclass(frozen=True)
class TokenLogprob:
    """One token of an answer and how likely it was.

    Attributes:
        token: The token's id in the model's vocabulary.
        logprob: The natural logarithm of its probability, at temperature 1 and before any filter.
        top: The likeliest tokens in its place, likeliest first; empty unless the request asked for
            `top_logprobs`.
    """

    token: int
    logprob: float
    top: Tuple[TopLogprob, ...]


@dataclass(frozen=True)
class PromptLogprob:
    """One token of a prompt and how likely it was, after those before it.

    Attributes:
        token: The token's id in the model's vocabulary.
        logprob: The natural logarithm of its probability, at temperature 1. None for the first one,
            which has nothing before it.
        top: The likeliest tokens in its place, likeliest first; empty unless the request asked for
            `top_logprobs`.
    """

    token: int
    logprob: Optional[float]
    top: Tuple[TopLogprob, ...]


@dataclass(frozen=True)
class TextDelta:
    """An event: the next piece of text.

    Attributes:
        type: Always "text".
        text: The piece; whole characters only. Empty where an event brings nothing but
            log-probabilities.
        logprobs: The tokens since the last event, those of reasoning and of tool calls included, if
            the request asked for `logprobs`, else empty.
        choice: Which of several answers; 0 where there is one.
    """

    type: ClassVar[Literal["text"]] = "text"

    text: str
    logprobs: Tuple[TokenLogprob, ...]
    choice: int


@dataclass(frozen=True)
class ReasoningDelta:
    """An event: more of what the model thinks before it answers.

    Attributes:
        type: Always "reasoning".
        text: The piece; whole characters only.
        choice: Which of several answers; 0 where there is one.
    """

    type: ClassVar[Literal["reasoning"]] = "reasoning"

    text: str
    choice: int


@dataclass(frozen=True)
class ToolCallDelta:
    """An event: more of a tool call.

    Attributes:
        type: Always "tool_call".
        index: Which of the answer's calls, from 0.
        id: The call's id in its first event, else None.
        name: The tool's name in its first event, else None.
        arguments: More of the arguments, which are JSON once the call is whole.
        choice: Which of several answers; 0 where there is one.
    """

    type: ClassVar[Literal["tool_call"]] = "tool_call"

    index: int
    id: Optional[str]
    name: Optional[str]
    arguments: str
    choice: int


@dataclass(frozen=True)
class PromptLogprobs:
    """An event, before all others: the prompt's tokens, if the request asked for `prompt_logprobs`.

    Attributes:
        type: Always "prompt_logprobs".
        tokens: The tokens, in their order.
    """

    type: ClassVar[Literal["prompt_logprobs"]] = "prompt_logprobs"

    tokens: Tuple[PromptLogprob, ...]


@dataclass(frozen=True)
class ChoiceFinished:
    """An event: one of several answers is complete. Only where `n` is above 1.

    Attributes:
        type: Always "choice_finished".
        choice: Which one, from 0.
        reason: Why it ended.
    """

    type: ClassVar[Literal["choice_finished"]] = "choice_finished"

    choice: int
    reason: FinishReason


@dataclass(frozen=True)
class Finished:
    """The last event of a stream that was neither cancelled nor failed.

    Attributes:
        type: Always "finished".
        reason: Why the first answer ended: "stop" if the model or a stop string ended the text,
            "length" if `max_tokens` or the context did, "tool_calls" if it calls tools.
        usage: How many tokens it took, all answers together.
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
Event = Union[TextDelta, ReasoningDelta, ToolCallDelta, PromptLogprobs, ChoiceFinished, Finished]


@dataclass(frozen=True)
class Choice:
    """One of several whole answers.

    Attributes:
        text: The answer, without reasoning and tool calls.
        finish_reason: Why it ended: "stop", "length" or "tool_calls".
        logprobs: The tokens of the answer, if the request asked for `logprobs`, else empty.
        reasoning: What the model thought before it answered, if it did.
        tool_calls: The tools that it calls.
    """

    text: str
    finish_reason: FinishReason
    logprobs: Tuple[TokenLogprob, ...]
    reasoning: Optional[str]
    tool_calls: Tuple[ToolCall, ...]

    @property
    def message(self) -> Message:
        """The answer as a message, for the conversation to go on with."""
        return _said(self)


@dataclass(frozen=True)
class Reply:
    """A whole answer.

    Attributes:
        text: The answer, without reasoning and tool calls.
        finish_reason: "stop" if the model or a stop string ended the text, "length" if `max_tokens`
            or the context did, "tool_calls" if it calls tools.
        usage: How many tokens it took, all answers together.
        timings: Where the time went.
        logprobs: The tokens of the answer, those of reasoning and of tool calls included, if the
            request asked for `logprobs`, else empty.
        decode_tokens_per_second: How fast the tokens after the first one came; 0 for fewer than two
            tokens.
        reasoning: What the model thought before it answered, if it did.
        tool_calls: The tools that it calls.
        prompt_logprobs: The tokens of the prompt, if the request asked for them, else empty.
        alternatives: The other answers, if the request asked for several by `n`: this is the first.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    logprobs: Tuple[TokenLogprob, ...]
    decode_tokens_per_second: float
    reasoning: Optional[str]
    tool_calls: Tuple[ToolCall, ...]
    prompt_logprobs: Tuple[PromptLogprob, ...]
    alternatives: Tuple[Choice, ...]

    @property
    def message(self) -> Message:
        """The answer as a message, for the conversation to go on: `[*messages, reply.message]`."""
        return _said(self)


def _said(answer: Union[Choice, Reply]) -> Message:
    return Message(
        "assistant",
        # A call without words is said so.
        answer.text if answer.text or not answer.tool_calls else None,
        reasoning=answer.reasoning,
        tool_calls=answer.tool_calls,
    )
