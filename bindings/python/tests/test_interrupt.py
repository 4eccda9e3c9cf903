"""Ctrl-C gets through whatever waits, cancels it, and leaves the engine serving."""

from __future__ import annotations

import sys

import pytest
from child import run_python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to itself")

PROGRAM = """
import json, os, signal, threading, time
from prompts import ENDLESS
from waiting import wait_until

engine = indwell.Engine(MODEL, context_tokens=4096)
BODY = json.dumps({{"prompt": ENDLESS, "max_tokens": 3000, "temperature": 0}})
STREAMED = json.dumps({{**json.loads(BODY), "stream": True}})
sent = 0.0

def interrupt_once_running():
    global sent
    wait_until(lambda: engine.stats().requests_running == 1)
    sent = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt_once_running).start()
try:
    {wait}
except KeyboardInterrupt:
    waited = time.monotonic() - sent
    print(f"interrupted after {{waited * 1000:.0f}} ms")
    assert waited < 1.0, waited
wait_until(lambda: engine.stats().requests_running == 0)
assert engine.stats().requests_cancelled == 1
assert engine.complete("1 2 3", max_tokens=2).text
print("serving")
"""


@pytest.mark.parametrize(
    "wait",
    [
        "engine.complete(ENDLESS, max_tokens=3000)",
        "list(engine.complete(ENDLESS, max_tokens=3000, stream=True))",
        "engine.complete(ENDLESS, max_tokens=3000, stream=True).reply()",
        "import asyncio; asyncio.run(engine.acomplete(ENDLESS, max_tokens=3000))",
        "engine.cache_prefix('word ' * 3800)",
        "engine.dispatch('POST', '/v1/completions', BODY)",
        "list(engine.dispatch('POST', '/v1/completions', STREAMED))",
    ],
    ids=["reply", "events", "rest", "asyncio", "prefix", "http", "http stream"],
)
def test_ctrl_c_ends_a_wait_and_cancels_the_request(wait: str) -> None:
    ended = run_python(PROGRAM.format(wait=wait))
    assert (ended.exit_code, ended.stderr) == (0, ""), ended
    assert "interrupted" in ended.stdout and "serving" in ended.stdout
    print(f"\n{ended.stdout.splitlines()[0]}")


def test_ctrl_c_ends_loading() -> None:
    ended = run_python(
        """
        import os, signal
        progress = lambda told: told.done or os.kill(os.getpid(), signal.SIGINT)
        try:
            indwell.Engine(MODEL, on_progress=progress)
        except KeyboardInterrupt:
            print("interrupted")
        print(len(indwell.Engine(MODEL).complete("1 2 3", max_tokens=2).text) > 0)
        """
    )
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "interrupted\nTrue\n", ""), ended
