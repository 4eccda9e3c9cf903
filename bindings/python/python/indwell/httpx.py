"""Transports for httpx that an engine answers: what puts OpenAI's SDK onto it, unchanged.

`Engine.httpx_client` and `Engine.httpx_async_client` make clients with them. This module needs
httpx, which the package does not ask for by itself: `pip install "indwell[httpx]"`, or any client
that brings it.
"""

from __future__ import annotations

from typing import Any, AsyncIterator, Iterator, Optional

from .errors import Error
from .http import AsyncHttpResponse, Dispatching, HttpResponse, sent

try:
    import httpx
except ImportError as error:
    raise ImportError(
        "httpx is not installed, and clients over it need it: pip install httpx"
    ) from error

class Transport(httpx.BaseTransport):
    """Has an engine answer the requests of an `httpx.Client`.

    Any number of threads may send through one. Closing it leaves the engine open. A request that
    takes longer than the client's "read" timeout is cancelled, and is `httpx.ReadTimeout`.

    Example:
        >>> client = httpx.Client(transport=indwell.httpx.Transport(engine))
        >>> client.get("http://indwell/v1/models").json()
    """

    def __init__(self, engine: Dispatching) -> None:
        self._engine = engine

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Waits for the answer to begin; its body is read through the response."""
        engine = self._engine
        try:
            exchange = engine._native.dispatch(request.method, _path(request), request.read())
            answer = HttpResponse(exchange, engine, _read_timeout_s(request))
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        except Error as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer, request))


class AsyncTransport(httpx.AsyncBaseTransport):
    """Has an engine answer the requests of an `httpx.AsyncClient`, on asyncio.

    Cancelling a task cancels its request. Closing the transport leaves the engine open. A request
    that takes longer than the client's "read" timeout is cancelled, and is `httpx.ReadTimeout`.

    Example:
        >>> client = httpx.AsyncClient(transport=indwell.httpx.AsyncTransport(engine))
        >>> (await client.get("http://indwell/v1/models")).json()
    """

    def __init__(self, engine: Dispatching) -> None:
        self._engine = engine

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Waits for the answer to begin; its body is read through the response."""
        engine = self._engine
        try:
            body = await request.aread()
            exchange = await sent(engine, request.method, _path(request), body)
            answer = AsyncHttpResponse(exchange, engine, _read_timeout_s(request))
            await answer.begun()
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        except Error as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_AsyncBody(answer, request)
        )


class _Body(httpx.SyncByteStream):
    """A response's body; closing the response cancels what is left of it."""

    def __init__(self, answer: HttpResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error), request=self._request) from error
        except Error as error:
            raise httpx.ReadError(str(error), request=self._request) from error

    def close(self) -> None:
        self._answer.close()


class _AsyncBody(httpx.AsyncByteStream):
    """A response's body; closing the response cancels what is left of it."""

    def __init__(self, answer: AsyncHttpResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer:
                yield piece
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error), request=self._request) from error
        except Error as error:
            raise httpx.ReadError(str(error), request=self._request) from error

    async def aclose(self) -> None:
        self._answer.close()


def client(engine: Dispatching, **options: Any) -> httpx.Client:
    """What `Engine.httpx_client` gives."""
    return httpx.Client(transport=Transport(engine), **options)


def async_client(engine: Dispatching, **options: Any) -> httpx.AsyncClient:
    """What `Engine.httpx_async_client` gives."""
    return httpx.AsyncClient(transport=AsyncTransport(engine), **options)


def _path(request: httpx.Request) -> str:
    return request.url.raw_path.decode("ascii")


def _read_timeout_s(request: httpx.Request) -> Optional[float]:
    timeout: Optional[float] = request.extensions.get("timeout", {}).get("read")
    return timeout
