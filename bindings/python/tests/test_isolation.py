"""llama.cpp in a process of its own: it answers as ever, and what ends it ends nothing else."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import List

import indwell
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc")


def workers() -> List[int]:
    """The processes below this one that compute."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue  # It ended while it was looked at.
        if name.endswith("(indwell-worker") and int(rest.split()[1]) == os.getpid():
            found.append(int(stat.parent.name))
    return found


def test_a_worker_that_is_killed_in_mid_stream_is_replaced(model: str) -> None:
    with indwell.Engine(
        model, isolation="process", context_tokens=2048, response_cache_bytes=0
    ) as engine:
        [worker] = workers()
        stream = engine.chat("Tell me a story.", stream=True, max_tokens=400, ignore_eos=True)
        assert next(stream).type == "text"
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(indwell.EnginePoisonedError) as raised:
            for _ in stream:
                pass
        assert "SIGKILL" in str(raised.value)
        assert engine.chat("Hello", max_tokens=4).usage.completion_tokens == 4
        assert engine.stats().restarts == 1
        assert not engine.closed
        assert workers() != [worker]
    assert workers() == []


def test_answers_are_the_same(model: str) -> None:
    texts = []
    for isolation in ("in_process", "process"):
        with indwell.Engine(model, isolation=isolation, context_tokens=1024) as engine:
            reply = engine.chat("Name a city.", max_tokens=16, temperature=0.8, seed=3)
            texts.append(reply.text)
    assert texts[0] == texts[1]


def test_there_is_no_other_isolation(model: str) -> None:
    with pytest.raises(indwell.InvalidRequestError) as raised:
        indwell.Engine(model, isolation="thread")  # type: ignore[arg-type]
    assert raised.value.limit == "in_process or process"
