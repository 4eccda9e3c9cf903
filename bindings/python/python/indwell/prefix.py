"""A prefix that is kept in the prefix cache: its handle, and waiting for it in asyncio."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Optional, Type

from . import _native
from .stream import resolve_soon

if TYPE_CHECKING:
    from typing_extensions import Self


class CachedPrefix:
    """The beginning of chats, computed and kept at hand. `Engine.cache_prefix` makes one.

    It is the last thing to give way when memory is short, until it is unpinned: by `unpin`, by
    leaving its `with` block, or by dropping it. It then stays cached as any other prefix, and gives
    way as one. It does not keep its engine from being closed or dropped.

    Example:
        >>> with engine.cache_prefix([{"role": "system", "content": manual}]) as prefix:
        ...     print(prefix.tokens, "tokens are kept")
    """

    def __init__(self, native: _native.CachedPrefix) -> None:
        self._native = native

    @property
    def tokens(self) -> int:
        """How many tokens it has, the chat template's included."""
        return self._native.tokens

    @property
    def pinned(self) -> bool:
        """Whether `unpin` is still to come."""
        return self._native.pinned

    def unpin(self) -> None:
        """Lets go of the prefix. Never blocks, and never raises; again, nothing happens."""
        self._native.unpin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.unpin()

    def __repr__(self) -> str:
        state = "pinned" if self.pinned else "unpinned"
        return f"<indwell.CachedPrefix of {self.tokens} tokens, {state}>"


async def computed(pending: _native.PendingPrefix) -> CachedPrefix:
    """Waits for a prefix; gives it up if the waiting task is cancelled."""
    loop = asyncio.get_running_loop()
    try:
        while True:
            ready = loop.create_future()
            native = pending.poll(resolve_soon(loop, ready))
            if native is not None:
                return CachedPrefix(native)
            await ready
    except BaseException:
        pending.cancel()
        raise
