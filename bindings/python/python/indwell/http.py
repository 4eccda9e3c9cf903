"""OpenAI's API without a server: requests of HTTP are answered in the process.

`Dispatching` is what `Engine` has of it. What is supported is the engine's to say, the same in
every language; nothing here reads a body or a status.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, List, Optional, Tuple, Type, Union

from . import _native
from .stream import resolve_soon

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self

#: What a body may be given as; a string is sent as UTF-8.
Body = Union[bytes, bytearray, str]

#: Longer bodies are sent from a thread where the event loop would have to wait. Reading and
#: tokenizing this much takes a few milliseconds.
INLINE_BODY_MAX = 4096

_Head = Tuple[int, List[Tuple[str, str]]]


class HttpResponse:
    """The answer to a request of HTTP; iterating gives its body. `Engine.dispatch` makes one.

    It waits with the interpreter released; Ctrl-C gets through, and cancels the request. Dropping
    or closing it, also by leaving its `with` block, cancels what was asked for.

    Attributes:
        status: 200, or what went wrong.
        headers: Names in small letters, and values.

    Example:
        >>> with engine.dispatch("POST", "/v1/chat/completions", body) as response:
        ...     for piece in response:
        ...         connection.send(piece)
    """

    status: int
    headers: List[Tuple[str, str]]

    def __init__(
        self, native: _native.HttpExchange, engine: Dispatching, timeout_s: Optional[float] = None
    ) -> None:
        self._native = native
        self._engine: Optional[Dispatching] = engine
        self._timeout_s = timeout_s
        self.status, self.headers = _head(native.next(timeout_s))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """Waits for more of the body.

        What goes wrong once the answer has begun is told in the body, in OpenAI's shape.
        """
        piece = self._native.next(self._timeout_s)
        if piece is None:
            self._engine = None
            raise StopIteration
        return _piece(piece)

    def read(self) -> bytes:
        """Waits for the rest of the body."""
        return b"".join(self)

    def close(self) -> None:
        """Cancels what was asked for, unless it is complete. Never blocks."""
        self._native.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()


class AsyncHttpResponse:
    """The answer to a request of HTTP; `async for` gives its body. `Engine.adispatch` makes one.

    Cancelling the task that reads cancels the request, and so does dropping or closing it, also by
    leaving its `async with` block.

    Attributes:
        status: 200, or what went wrong.
        headers: Names in small letters, and values.

    Example:
        >>> async with await engine.adispatch("POST", "/v1/chat/completions", body) as response:
        ...     async for piece in response:
        ...         await connection.send(piece)
    """

    status: int
    headers: List[Tuple[str, str]]

    def __init__(
        self, native: _native.HttpExchange, engine: Dispatching, timeout_s: Optional[float] = None
    ) -> None:
        self._native = native
        self._engine: Optional[Dispatching] = engine
        self._timeout_s = timeout_s
        # Whether the last piece was there without waiting: then the loop has not had its turn.
        self._owes_turn = False

    async def begun(self) -> Self:
        """Waits for `status` and `headers`; `Engine.adispatch` has done so."""
        self.status, self.headers = _head(await self._next())
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Waits for more of the body.

        What goes wrong once the answer has begun is told in the body, in OpenAI's shape.
        """
        return _piece(await self._next())

    async def read(self) -> bytes:
        """Waits for the rest of the body."""
        return b"".join([piece async for piece in self])

    def close(self) -> None:
        """Cancels what was asked for, unless it is complete. Never blocks."""
        self._native.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    async def _next(self) -> Union[_Head, bytes]:
        """The next part; cancels the request if the waiting task is, or no part comes in time."""
        loop = asyncio.get_running_loop()
        try:
            if self._owes_turn:
                # A turn for the loop: a reader who is always behind would leave it none.
                await asyncio.sleep(0)
            self._owes_turn = True
            until = None if self._timeout_s is None else loop.time() + self._timeout_s
            while True:
                ready = loop.create_future()
                part = self._native.poll(resolve_soon(loop, ready))
                if part is not None:
                    return part
                await asyncio.wait_for(ready, None if until is None else until - loop.time())
                self._owes_turn = False
        except StopAsyncIteration:
            self._engine = None
            raise
        except asyncio.TimeoutError:
            self.close()
            raise TimeoutError("no answer came in time") from None
        except BaseException:
            # asyncio.CancelledError, or GeneratorExit when the loop is closed around the task.
            self.close()
            raise


class Dispatching:
    """What `Engine` has for frameworks that speak HTTP, and for clients of OpenAI's API."""

    _native: _native.Engine

    def dispatch(self, method: str, path: str, body: Body = b"") -> HttpResponse:
        """Answers a request of OpenAI's API in the process, for a framework to pass on.

        Waits until the answer begins, with the interpreter released; Ctrl-C gets through and
        cancels the request. What is wrong with the request is an answer too, with OpenAI's status
        and shape.

        Args:
            method: "GET" or "POST".
            path: "/v1/chat/completions", "/v1/completions", "/v1/models" or "/v1/models/NAME";
                "/v1" may be left out.
            body: JSON, in the form that OpenAI's API has. The options of `chat` are fields too,
                by their names.

        Returns:
            An `HttpResponse`, whose body is read by iterating it.

        Raises:
            InvalidRequestError: If an argument is of the wrong type.

        Example:
            >>> response = engine.dispatch("GET", "/v1/models")
            >>> print(response.status, response.read().decode())
        """
        return HttpResponse(self._native.dispatch(method, path, body), self)

    async def adispatch(
        self, method: str, path: str, body: Body = b""
    ) -> AsyncHttpResponse:
        """`dispatch` for asyncio: the same arguments and errors, and the event loop is never
        blocked.

        Cancelling the waiting task cancels the request.

        Example:
            >>> async with await engine.adispatch("POST", "/v1/completions", body) as response:
            ...     async for piece in response: ...
        """
        return await AsyncHttpResponse(await sent(self, method, path, body), self).begun()

    def httpx_client(self, **options: Any) -> httpx.Client:
        """A client of httpx whose requests this engine answers: no server, no port.

        What OpenAI's SDK, and what is built on it, takes as its `http_client`. Any host will do;
        paths are those of `dispatch`. Closing the client does not close the engine. Its "read"
        timeout bounds the wait for the answer, and for each further piece of a stream.

        Args:
            options: Those of `httpx.Client`, except `transport`, such as `timeout`.

        Raises:
            ImportError: If httpx is not installed.

        Example:
            >>> from openai import OpenAI
            >>> client = OpenAI(api_key="-", http_client=engine.httpx_client())
            >>> client.chat.completions.create(model="smollm2-135m", messages=[...])
        """
        from .httpx import client

        return client(self, **options)

    def httpx_async_client(self, **options: Any) -> httpx.AsyncClient:
        """`httpx_client` for asyncio, with the options of `httpx.AsyncClient`.

        Example:
            >>> from openai import AsyncOpenAI
            >>> client = AsyncOpenAI(api_key="-", http_client=engine.httpx_async_client())
            >>> await client.chat.completions.create(model="smollm2-135m", messages=[...])
        """
        from .httpx import async_client

        return async_client(self, **options)

    def metrics_text(self) -> str:
        """The engine's counters as text that Prometheus reads, for a server's `/metrics`.

        They can be read after `close` too.

        Raises:
            ForkedError: If the process was forked after the engine was loaded.
        """
        return self._native.metrics_text()


async def sent(engine: Dispatching, method: str, path: str, body: Body) -> _native.HttpExchange:
    """The exchange of a request; reading a long body takes longer than the loop should wait."""
    send = engine._native.dispatch
    if len(body) > INLINE_BODY_MAX:
        return await asyncio.to_thread(send, method, path, body)
    return send(method, path, body)


def _head(part: Union[_Head, bytes, None]) -> _Head:
    assert isinstance(part, tuple), "an answer begins with its head"
    return part


def _piece(part: Union[_Head, bytes]) -> bytes:
    assert isinstance(part, bytes), "an answer has one head"
    return part
