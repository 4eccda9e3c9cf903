"""The end of the interpreter: closes the engines that are still open, while Python can still be
called.

Python runs this hook after the threads that it waits for have ended, and before it takes itself
apart.
"""

from __future__ import annotations

import atexit
import contextlib
import weakref
from typing import TYPE_CHECKING

from . import _native
from .errors import Error

if TYPE_CHECKING:
    from .engine import Engine

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def close_at_exit(engine: Engine) -> None:
    """Has `engine` closed when the interpreter exits, unless it is gone by then."""
    _engines.add(engine)


@atexit.register
def _close_engines() -> None:
    _native.begin_exit()
    for engine in list(_engines):
        # In a forked child this is the parent's engine, and not ours to close.
        with contextlib.suppress(Error):
            engine.close()
