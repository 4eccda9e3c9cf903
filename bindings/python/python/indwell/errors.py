"""The exceptions: one class for each thing a caller can do about an error, all of them
`indwell.Error`.

Where Python has a class of its own for the same thing, ours is also one of those: `except
ValueError`, `except TimeoutError`, `except MemoryError` and `except OSError` catch them.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple, Type


class Error(Exception):
    """The base of every error that Indwell raises.

    Attributes:
        kind: What went wrong, in one word that is the same in every language, such as
            "invalid_request".
        message: What went wrong, in a sentence with the value, the limit and the remedy; also
            `str(error)`.
        field: The option or argument to blame, such as "max_tokens" or "messages[1].role", if one
            is.
        value: The value that was refused, as text, if there is one.
        limit: What would have been accepted, if that is known.
        remedy: What to do about it, if anything can be done.
        retry_after_ms: When to try again, in milliseconds from now, if waiting helps.
    """

    kind: str = "internal"

    message: str
    field: Optional[str]
    value: Optional[str]
    limit: Optional[str]
    remedy: Optional[str]
    retry_after_ms: Optional[int]

    def __init__(
        self,
        message: str,
        *,
        field: Optional[str] = None,
        value: Optional[str] = None,
        limit: Optional[str] = None,
        remedy: Optional[str] = None,
        retry_after_ms: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.limit = limit
        self.remedy = remedy
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Tuple[Callable[..., Error], Tuple[Any, ...]]:
        return _restore, (type(self), self.message, self.__dict__.copy())


class InvalidRequestError(Error, ValueError):
    """An argument or option is wrong: fix the call; `field`, `limit` and `remedy` say how."""

    kind = "invalid_request"


class ContextOverflowError(Error):
    """The prompt does not fit into the context: shorten it, or load the engine with more
    `context_tokens`.
    """

    kind = "context_overflow"


class OverloadedError(Error):
    """The queue is full: try again after `retry_after_ms`, or send less at a time."""

    kind = "overloaded"


class DeadlineExceededError(Error, TimeoutError):
    """The request took longer than its `timeout_ms`."""

    kind = "deadline_exceeded"


class CancelledError(Error):
    """The request was cancelled. Not `asyncio.CancelledError`, which says that the waiting task
    was.
    """

    kind = "cancelled"


class ModelLoadError(Error):
    """The model could not be loaded: no such file or alias, or not a whole GGUF file."""

    kind = "model_load"


class OutOfMemoryError(Error, MemoryError):
    """The model or its context does not fit into memory: take a smaller one, or fewer
    `context_tokens`.
    """

    kind = "out_of_memory"


class NotCachedError(Error):
    """No answer is stored for a request with `cache="only_if_cached"`: ask again without that."""

    kind = "not_cached"


class EngineClosedError(Error):
    """The engine is closed, or was while the request ran: load a new one."""

    kind = "engine_closed"


class EnginePoisonedError(Error):
    """The engine broke down and serves nothing any more: close it and load a new one. With
    `isolation="process"` it goes on: ask again."""

    kind = "engine_poisoned"


class UnsupportedError(Error):
    """This model, build or machine cannot do that."""

    kind = "unsupported"


class ForkedError(Error):
    """The process was forked after the engine was loaded: load a new one in the child, or use
    "spawn".
    """

    kind = "forked"


class IoError(Error, OSError):
    """A file or the network failed."""

    kind = "io"


class InternalError(Error):
    """A bug in Indwell: please report it."""

    kind = "internal"


_CLASSES: Dict[str, Type[Error]] = {
    cls.kind: cls
    for cls in (
        InvalidRequestError,
        ContextOverflowError,
        OverloadedError,
        DeadlineExceededError,
        CancelledError,
        ModelLoadError,
        OutOfMemoryError,
        NotCachedError,
        EngineClosedError,
        EnginePoisonedError,
        UnsupportedError,
        ForkedError,
        IoError,
        InternalError,
    )
}


def from_native(
    kind: str,
    message: str,
    field: Optional[str],
    value: Optional[str],
    limit: Optional[str],
    remedy: Optional[str],
    retry_after_ms: Optional[int],
) -> Error:
    """The exception for an error of the engine; the native module calls this."""
    error = _CLASSES.get(kind, Error)(
        message, field=field, value=value, limit=limit, remedy=remedy, retry_after_ms=retry_after_ms
    )
    error.kind = kind
    return error


def _restore(cls: Type[Error], message: str, attributes: Dict[str, Any]) -> Error:
    error = cls(message)
    error.__dict__.update(attributes)
    return error
