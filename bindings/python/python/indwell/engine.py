"""The engine: a loaded model that any number of threads and tasks call at once."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import TYPE_CHECKING, Callable, Iterator, Optional, Type, Union

from . import _native
from ._exit import close_at_exit
from .asking import INLINE_CHARACTERS_MAX, Asking
from .http import Dispatching
from .info import CacheStats, EngineMemory, EngineStats, ModelInfo, Progress
from .message import Messages, characters
from .options import EngineOptions, PrefixOptions
from .prefix import CachedPrefix, computed

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack


class Engine(Asking, Dispatching):
    """A loaded model and the worker that serves it.

    Loading blocks, with the interpreter released; in asyncio, use `await Engine.aload(...)`. Calls
    of many threads and tasks are batched. Close an engine by `close()`, by leaving its `with` or
    `async with` block, or by dropping it and its streams; the interpreter's exit closes what is
    left.

    Args:
        model: An alias such as "smollm2-135m", which is downloaded if it is not there yet, or the
            path of a GGUF file.
        on_progress: Called with a `Progress` now and then while the model is fetched and loaded,
            from another thread. What it raises goes to `sys.unraisablehook`.
        context_tokens: Cells of the KV cache, shared by all requests; one cell holds one token. A
            single request is also bounded by what the model was trained for. Default 8192.
        sequences_max: How many requests run at once, 1 to 256; more wait in the queue. Default 32.
        batch_tokens: How many tokens one step may compute, at least `sequences_max`. Default 512.
        prefill_chunk_tokens: How many prompt tokens one step may compute while others are being
            answered, at most: lower keeps their streams smoother, higher makes first tokens come
            sooner. Default 256.
        itl_target_ms: Milliseconds between two tokens of a stream that a prompt which is computed
            beside it may make of it, 1 to 60000: of the prompt so much is computed in a step as
            that leaves time for. Default: two and a half times as long as the streams take alone,
            or as long as a batch of 64 tokens takes where that is longer.
        threads: How many threads compute. Default: what this process may use of the machine.
        queue_requests_max: How many requests may wait; one more is `OverloadedError`. Default 256.
        queue_tokens_max: How many prompt tokens may wait; more is `OverloadedError`. Default
            1048576.
        default_max_tokens: `max_tokens` of requests that give none. Default 512.
        gpu_layers: How many layers go to the GPU. Default: all, where there is a GPU.
        flash_attention: Whether attention uses the flash kernels. Default: llama.cpp decides.
        isolation: Where llama.cpp computes: "process" for a process of its own, which may end without
            ending this one. What it was answering then raises `EnginePoisonedError`, and the engine
            goes on with a new one. Default: "in_process".
        speculation: "off" to compute each token of an answer in a step of its own. Default: "auto", which
            drafts what an answer seems to repeat of its prompt or itself, and verifies several tokens
            in one step where that is worth it; the answers are the same.
        stream_capacity: How many events a stream holds before its request pauses for the reader.
            Default 256.
        prefix_cache_tokens: How many tokens of cached prefixes stay in the model's memory though no
            request uses them; pinned ones are not counted. 0 turns the prefix cache off. Default
            2048, and never more than half of `context_tokens`.
        host_cache_bytes: How much of the host's memory cached prefixes may take that left the
            model's, 0 for none. Default 1 GiB, and never more than an eighth of the memory that the
            process may use.
        disk_cache_dir: A folder for cached prefixes that outlive the process; it is made if it is
            not there. Default: none, and nothing is written.
        disk_cache_bytes: How large the files in that folder may grow. Default 10 GiB.
        response_cache_bytes: How much memory complete answers may take, which serve the same
            requests again. 0 turns the response cache off, and with it that equal requests at one
            time are computed once. Default 64 MiB, and never more than a 64th of the memory that
            the process may use.
        response_cache_ttl_ms: How long an answer is kept, in milliseconds, unless a request says
            otherwise. Default: no limit.
        response_cache_dir: A folder for answers that outlive the process; it is made if it is not
            there. One engine at a time uses it: the next is refused with `IoError`. Default: none,
            and nothing is written.
        memory_bytes: How much memory the engine may take, all together: weights, KV cells, scratch
            and both caches (`memory` shows them). Options that are not given are cut to fit: first
            the caches, then `context_tokens`, down to 512. What does not fit even so is
            `OutOfMemoryError`, before anything is allocated. Default: no such bound.
        chat_template: A Jinja template for conversations, in the place of the model's own.
        tool_parser: How the model writes calls of tools, by a name that the error for an unknown
            one lists. Default: found from the template.
        reasoning_parser: How the model writes what it thinks, in the same way.

    Raises:
        ModelLoadError: If there is no such file or alias, or the file is no whole GGUF model.
        InvalidRequestError: If an option is unknown, of the wrong type, or out of range.
        OutOfMemoryError: If the model or its context does not fit into memory.
        IoError: If the model could not be fetched or read.
        UnsupportedError: If this build cannot serve the model.

    Example:
        >>> with indwell.Engine("smollm2-135m", context_tokens=4096) as engine:
        ...     print(engine.chat("Hello").text)
    """

    def __init__(
        self,
        model: Union[str, os.PathLike[str]],
        *,
        on_progress: Optional[Callable[[Progress], object]] = None,
        **options: Unpack[EngineOptions],
    ) -> None:
        self._native = _native.Engine.load(model, dict(options), on_progress)
        self._model = self._native.model()
        close_at_exit(self)

    @classmethod
    async def aload(
        cls,
        model: Union[str, os.PathLike[str]],
        *,
        on_progress: Optional[Callable[[Progress], object]] = None,
        **options: Unpack[EngineOptions],
    ) -> Self:
        """Loads an engine in a thread; the arguments and errors are those of `Engine`.

        Cancelling the waiting task abandons the engine, which closes as soon as it is loaded.

        Example:
            >>> async with await indwell.Engine.aload("smollm2-135m") as engine:
            ...     print((await engine.achat("Hello")).text)
        """
        return await asyncio.to_thread(lambda: cls(model, on_progress=on_progress, **options))

    @property
    def model(self) -> ModelInfo:
        """What is known of the loaded model; still there after `close`."""
        return self._model

    @property
    def closed(self) -> bool:
        """Whether the engine is closed."""
        return self._native.closed

    def cache_prefix(self, messages: Messages, **options: Unpack[PrefixOptions]) -> CachedPrefix:
        """Computes the beginning of chats, and keeps it at hand until the handle is unpinned.

        For instructions that many chats begin with: the first of them finds it cached, too. Waits
        until it is computed, with the interpreter released; Ctrl-C gets through and gives it up.

        Args:
            messages: As in `chat`; the messages that the chats begin with.
            cache_salt: As in `chat`: only requests with this salt find it.
            timeout_ms: How long computing it may take, waiting included, in milliseconds. Default:
                no limit.

        Raises:
            UnsupportedError: If the engine has no prefix cache, or the model no chat template.
            Error: What `chat` raises.

        Example:
            >>> manual = [{"role": "system", "content": long_manual}]
            >>> with engine.cache_prefix(manual):
            ...     reply = engine.chat([*manual, {"role": "user", "content": "How do I start?"}])
            >>> print(reply.usage.cached_tokens, "of", reply.usage.prompt_tokens)
        """
        return CachedPrefix(self._native.cache_prefix(messages, dict(options)).wait())

    async def acache_prefix(
        self, messages: Messages, **options: Unpack[PrefixOptions]
    ) -> CachedPrefix:
        """`cache_prefix` for asyncio: the same arguments and errors, and the event loop is never
        blocked.

        Cancelling the waiting task gives the prefix up.

        Example:
            >>> with await engine.acache_prefix(manual) as prefix:
            ...     await engine.achat([*manual, question])
        """
        conversation = list(messages) if isinstance(messages, Iterator) else messages

        def send() -> _native.PendingPrefix:
            return self._native.cache_prefix(conversation, dict(options))

        is_long = characters(conversation) > INLINE_CHARACTERS_MAX
        return await computed(await asyncio.to_thread(send) if is_long else send())

    def caches(self) -> CacheStats:
        """What the caches hold and have done. Never blocks.

        It can be read after `close` too.

        Raises:
            ForkedError: If the process was forked after the engine was loaded.
        """
        return self._native.caches()

    def memory(self) -> EngineMemory:
        """What the engine takes of memory, part by part, and what it may take. Never blocks.

        It can be read after `close` too.

        Raises:
            ForkedError: If the process was forked after the engine was loaded.

        Example:
            >>> engine.memory().total_bytes <= engine.memory().limit_bytes
            True
        """
        return self._native.memory()

    def trim(self, bytes: int) -> int:
        """Gives back at least so many bytes that cached prefixes take, coldest first, if there are
        as many; for an application that is told to use less memory.

        Waits for about one step, with the interpreter released.

        Returns:
            How many bytes it gave back.

        Raises:
            InvalidRequestError: If `bytes` is no number from 0 to 2**64 - 1.
            EngineClosedError: If the engine is closed.
            ForkedError: If the process was forked after the engine was loaded.

        Example:
            >>> engine.trim(100 * 2**20)
            104857600
        """
        return self._native.trim(bytes)

    async def atrim(self, bytes: int) -> int:
        """`trim` in a thread, so that the event loop is not blocked."""
        return await asyncio.to_thread(self.trim, bytes)

    def invalidate_responses(self, cache_salt: Optional[str] = None) -> int:
        """Forgets stored answers, in memory and in files; those being computed are not stored.

        Args:
            cache_salt: Whose answers: those to requests with this salt. Default: all.

        Returns:
            How many answers were forgotten.

        Raises:
            InvalidRequestError: If `cache_salt` is no text of 1 to 1024 bytes.
            EngineClosedError: If the engine is closed.
            ForkedError: If the process was forked after the engine was loaded.

        Example:
            >>> engine.invalidate_responses(cache_salt="tenant 1")
            17
        """
        return self._native.invalidate_responses(cache_salt)

    async def ainvalidate_responses(self, cache_salt: Optional[str] = None) -> int:
        """`invalidate_responses` in a thread, so that the event loop is not blocked."""
        return await asyncio.to_thread(self.invalidate_responses, cache_salt)

    def stats(self) -> EngineStats:
        """The engine's counters.

        They can be read after `close` too.

        Raises:
            ForkedError: If the process was forked after the engine was loaded.
        """
        return self._native.stats()

    def drain(self, *, timeout_ms: Optional[float] = None) -> bool:
        """Closes the engine once everybody has been served; for an application that is told to end.

        From now on requests are refused with `EngineClosedError`, and those that were accepted come
        to their ends. Waits for that with the interpreter released; Ctrl-C gets through and ends
        the wait, and `close` then ends the rest.

        Args:
            timeout_ms: How long that may take, in milliseconds; then those that are left end with
                `EngineClosedError`. Default: no limit, and a request whose stream is no longer read
                is waited for.

        Returns:
            Whether every request came to its own end.

        Raises:
            InvalidRequestError: If `timeout_ms` is no finite number above 0; nothing has happened
                then.
            ForkedError: If the process was forked after the engine was loaded.

        Example:
            >>> engine.drain(timeout_ms=10_000)
            True
        """
        return self._draining(timeout_ms).wait()

    async def adrain(self, *, timeout_ms: Optional[float] = None) -> bool:
        """`drain` for asyncio: the event loop is never blocked. Cancelling the waiting task ends the
        wait, and not the drain.
        """
        draining = self._draining(timeout_ms)
        while True:
            all_served = await asyncio.to_thread(draining.wait_a_moment)
            if all_served is not None:
                return all_served

    def _draining(self, timeout_ms: Optional[float]) -> _native.Draining:
        return self._native.drain({"timeout_ms": timeout_ms})

    def close(self) -> None:
        """Ends every request with `EngineClosedError`, and gives the model's memory back.

        Waits for the step that is being computed, with the interpreter released. Again: nothing
        happens.

        Raises:
            ForkedError: If the process was forked after the engine was loaded.
        """
        self._native.close()

    async def aclose(self) -> None:
        """`close` in a thread, so that the event loop is not blocked."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        model = self._model
        return f"<indwell.Engine {model.name!r}, {model.context_tokens} context tokens, {state}>"
