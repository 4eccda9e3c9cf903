"""Waiting for what has no event of its own: engine counters, other processes. Bounded, and it says
what it missed.
"""

from __future__ import annotations

import threading
import time
from typing import Callable

#: Enough for a busy machine; a test that waits this long has failed.
DEADLINE_S = 120.0


def wait_until(condition: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Looks at `condition` until it holds; an AssertionError after `within_s` seconds."""
    never = threading.Event()
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {condition}"
        never.wait(0.001)
