"""The streams: one request's events as an iterator, blocking or for asyncio.

A stream ends in exactly one way: with a `Finished` event, with `CancelledError`, or with the error
that ended it. A stream that is dropped, or left through its context manager, cancels its request
and frees its place within one step. Streams are bounded: a slow reader pauses its own request, and
nobody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from types import TracebackType
from typing import TYPE_CHECKING, Callable, Iterator, Optional, Type

from . import _native
from .errors import CancelledError, Error
from .reply import Event, Reply

if TYPE_CHECKING:
    from typing_extensions import Self


class TokenStream:
    """The events of one request, as a blocking iterator. `Engine.chat(..., stream=True)` makes one.

    It waits with the interpreter released; Ctrl-C gets through, and cancels the request. One thread
    reads a stream at a time; any may `cancel` it. A stream keeps its engine from being dropped,
    though not from being closed.

    Example:
        >>> with engine.chat("Tell me a story.", stream=True) as stream:
        ...     for event in stream:
        ...         if event.type == "text":
        ...             print(event.text, end="", flush=True)
    """

    def __init__(self, native: _native.Stream, engine: object) -> None:
        self._native = native
        self._engine: Optional[object] = engine

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """Waits for the next event.

        Raises:
            CancelledError: If the request was cancelled.
            Error: If the request failed: the class says how.
        """
        try:
            event = self._native.next()
        except Error:
            self._engine = None
            raise
        if event is None or event.type == "finished":
            self._engine = None
        if event is None:
            raise StopIteration
        return event

    def reply(self) -> Reply:
        """Waits for the end, and folds the events that were not read yet into a `Reply`.

        Raises:
            CancelledError: If the request was cancelled.
            Error: If the request failed: the class says how.
            RuntimeError: If the stream was already read to its end.
        """
        try:
            reply = self._native.reply()
        except Error:
            self._engine = None
            raise
        self._engine = None
        return reply

    def cancel(self) -> None:
        """Cancels the request: reading on gives what had arrived, then `CancelledError`. Never
        blocks.

        A request that has ended is left as it is.
        """
        self._native.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.cancel()


class AsyncTokenStream:
    """The events of one request, for `async for`. `Engine.achat(..., stream=True)` makes one.

    The request is sent when the stream is first read, or entered by `async with`; so that is where
    a wrong argument is raised. Cancelling the task that reads cancels the request. One task reads a
    stream at a time; any may `cancel` it, from any thread. A stream keeps its engine from being
    dropped, though not from being closed.

    Example:
        >>> async with engine.achat("Tell me a story.", stream=True) as stream:
        ...     async for event in stream:
        ...         if event.type == "text":
        ...             print(event.text, end="", flush=True)
    """

    def __init__(self, engine: object, send: Callable[[], _native.Stream], is_long: bool) -> None:
        self._engine: Optional[object] = engine
        self._send = send
        self._is_long = is_long
        self._native: Optional[_native.Stream] = None
        self._is_cancelled = False
        self._being_read = False
        # Whether the last event was there without waiting: then the loop has not had its turn.
        self._owes_turn = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Waits for the next event.

        Raises:
            CancelledError: If the request was cancelled.
            Error: If the request failed: the class says how.
        """
        with self._reading():
            native = await self._sent()
            if self._owes_turn:
                # A turn for the loop: a reader who is always behind would leave it none.
                await asyncio.sleep(0)
            self._owes_turn = True
            event = None
            while event is None:
                loop = asyncio.get_running_loop()
                ready = loop.create_future()
                event = native.poll(resolve_soon(loop, ready))
                if event is None:
                    await ready
                    self._owes_turn = False
        if event.type == "finished":
            self._engine = None
        return event

    async def reply(self) -> Reply:
        """Waits for the end, and folds the events that were not read yet into a `Reply`.

        Cancelling the waiting task cancels the request. The loop is woken once, at the end, or
        gets one turn if all of it is there.

        Raises:
            CancelledError: If the request was cancelled.
            Error: If the request failed: the class says how.
            RuntimeError: If the stream was already read to its end.
        """
        with self._reading():
            native = await self._sent()
            loop = asyncio.get_running_loop()
            ready = loop.create_future()
            reply = native.poll_reply(resolve_soon(loop, ready))
            if reply is None:
                await ready
                reply = native.take_reply()
            else:
                # A turn for the loop: stored answers, one after another, would leave it none.
                await asyncio.sleep(0)
        self._engine = None
        return reply

    def cancel(self) -> None:
        """Cancels the request: reading on gives what had arrived, then `CancelledError`.

        Never blocks. A request that has ended is left as it is; one that was not sent never is.
        """
        self._is_cancelled = True
        if self._native is not None:
            self._native.cancel()

    async def __aenter__(self) -> Self:
        with self._reading():
            await self._sent()
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.cancel()

    async def _sent(self) -> _native.Stream:
        """The request's native stream; sends the request first, if that is still to be done."""
        if self._native is None and not self._is_cancelled:
            # Reading a long prompt takes longer than the loop should have to wait.
            self._native = await asyncio.to_thread(self._send) if self._is_long else self._send()
            if self._is_cancelled:
                self._native.cancel()
        if self._native is None:
            raise CancelledError("the request was cancelled before it was sent")
        return self._native

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Keeps other tasks out; cancels the request if the task is, and lets the engine go at the
        end.
        """
        if self._being_read:
            raise RuntimeError(
                "another task is reading this stream: give each task its own request"
            )
        self._being_read = True
        try:
            yield
        except (Error, StopAsyncIteration):
            self._engine = None
            raise
        except BaseException:
            # asyncio.CancelledError, or GeneratorExit when the loop is closed around the task.
            self.cancel()
            raise
        finally:
            self._being_read = False


def resolve_soon(
    loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]
) -> Callable[[], object]:
    """Wakes who awaits `ready`, from any thread."""
    return functools.partial(loop.call_soon_threadsafe, _resolve, ready)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
