"""Semantic mode: the stored answer to an earlier question that means the same, by two functions of
the caller's.

The engine has `call_embed` and `call_verify` called, each on a thread of its own, and waits for
what they hand to the native call. Nothing that goes wrong in a function reaches the request, which
is computed then; it is logged, as a warning of the logger "indwell".
"""

from __future__ import annotations

import array
import inspect
import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Iterable, Tuple, TypeVar

if TYPE_CHECKING:
    from . import _native

T = TypeVar("T")

_logger = logging.getLogger("indwell")
# Quiet, unless the application asks for logs.
_logger.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class SemanticMatch:
    """An earlier question that is near enough, for the verifier to judge.

    Attributes:
        asked: The question that was asked now: of a completion the prompt, of a chat the messages,
            one a line, as "role: content".
        found: The earlier question, in the same form.
        answer: Its answer, which will be served if the verifier agrees.
        distance: The cosine distance between the two: 0 in the same direction, 2 in opposite ones.
    """

    asked: str
    found: str
    answer: str
    distance: float


@dataclass(frozen=True)
class Semantic:
    """How a request may be served the stored answer to an earlier question that means the same.

    The prompt is embedded, and the nearest earlier one looked up among those that were asked with a
    `Semantic` too, of the same model, options and salt. If it is near enough, and `verify` agrees,
    its answer is served: `usage.cache` is "semantic". Otherwise the request is computed, and its
    answer remembered. The stored answer to the very same request is served without any of this.

    Both functions are plain ones, not async; they are called on other threads, several at once if
    there are several requests. One that raises, takes too long or returns something else is logged
    by the logger "indwell", and the request is computed.

    No distance tells "Is it allowed?" from "Is it not allowed?", or one name or number from
    another: `verify` must read both questions. Where a wrong answer costs something, do not use
    this; and where answers may hold what is personal, give each tenant its `cache_salt`.

    Attributes:
        distance_max: The cosine distance up to which `verify` is asked, from 0 (the same direction)
            to 2. Begin with a small one, such as 0.1.
        embed: Turns a prompt into its vector: a list, an array, or anything else that yields
            floats; as many each time, finite, and not all 0. One function for all requests of an
            engine and salt: distances between vectors of two models mean nothing.
        verify: Whether the earlier question's answer answers this one too.
        timeout_ms: How long each of the two may take, in milliseconds; above 0.

    Example:
        >>> semantic = indwell.Semantic(0.1, embed, verify)
        >>> reply = engine.chat("How old do llamas get?", semantic=semantic)
        >>> print(reply.usage.cache, reply.usage.semantic_distance)
    """

    distance_max: float
    embed: Callable[[str], Iterable[float]]
    verify: Callable[[SemanticMatch], bool]
    timeout_ms: float = 1000.0


def call_embed(
    embed: Callable[[str], Iterable[float]], prompt: str, call: _native.SemanticCall
) -> None:
    """Answers `call` with the prompt's vector; the native module has this called."""
    try:
        call.embedded(_floats(_returned(embed(prompt), "embed")))
    except BaseException as error:
        _fail(call, error, "embed")


def call_verify(
    verify: Callable[[SemanticMatch], bool],
    match: Tuple[str, str, str, float],
    call: _native.SemanticCall,
) -> None:
    """Answers `call` with what the verifier says; the native module has this called."""
    try:
        call.verified(_returned(verify(SemanticMatch(*match)), "verify"))
    except BaseException as error:
        _fail(call, error, "verify")


def _returned(value: T, name: str) -> T:
    if inspect.iscoroutine(value):
        value.close()
    if inspect.isawaitable(value):
        shown = type(value).__name__
        raise TypeError(f"{name} returned a {shown}: give a plain function, not an async one")
    return value


def _floats(vector: Iterable[float]) -> bytes:
    """A vector's floats, of 32 bits each, as they lie in memory."""
    try:
        if isinstance(vector, (str, bytes, bytearray)):
            raise TypeError("text and bytes are no numbers")
        return array.array("f", vector).tobytes()
    except (TypeError, ValueError, OverflowError) as error:
        shown = type(vector).__name__
        raise TypeError(f"embed returned a {shown}, not a vector of floats: {error}") from error


def _fail(call: _native.SemanticCall, error: BaseException, name: str) -> None:
    call.failed("".join(traceback.format_exception_only(type(error), error)).strip())
    _logger.warning("%s of semantic mode failed; the request is computed", name, exc_info=error)
