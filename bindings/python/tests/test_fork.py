"""After fork, in the child: every call says so, nothing hangs, and the parent goes on."""

from __future__ import annotations

import os

import pytest
from child import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def test_a_forked_child_is_told_and_exits_and_the_parent_serves() -> None:
    ended = run_python(
        """
        import asyncio, os, signal, warnings
        from prompts import ENDLESS
        warnings.simplefilter("ignore")
        engine = indwell.Engine(MODEL, context_tokens=2048)
        blocking = engine.complete(ENDLESS, stream=True, max_tokens=200)
        next(blocking)

        async def one_event(stream):
            return await stream.__anext__()

        asynchronous = engine.acomplete(ENDLESS, stream=True, max_tokens=200)
        asyncio.run(one_event(asynchronous))
        prefix = engine.cache_prefix("Hello")
        asked = '{"prompt": "1 2 3", "max_tokens": 200, "stream": true}'
        response = engine.dispatch("POST", "/v1/completions", asked)
        semantic = indwell.Semantic(0.1, lambda prompt: [1.0], lambda match: True)
        engine.complete("1 2 3", max_tokens=1, semantic=semantic)

        def in_child():
            signal.alarm(60)  # A child that hangs is killed, and so exits otherwise than by 0.
            calls = {
                "chat": lambda: engine.chat("Hello"),
                "complete": lambda: engine.complete("Hello", stream=True),
                "achat": lambda: asyncio.run(engine.achat("Hello")),
                "long": lambda: asyncio.run(engine.achat("Hello " * 2000)),
                "astream": lambda: asyncio.run(one_event(engine.achat("Hello", stream=True))),
                "stats": engine.stats,
                "caches": engine.caches,
                "trim": lambda: engine.trim(1),
                "invalidate_responses": engine.invalidate_responses,
                "semantic": lambda: engine.complete("Hello", semantic=semantic),
                "cache_prefix": lambda: engine.cache_prefix("Hello"),
                "metrics_text": engine.metrics_text,
                "next": lambda: next(blocking),
                "response": lambda: next(response),
                "reply": blocking.reply,
                "anext": lambda: asyncio.run(one_event(asynchronous)),
                "areply": lambda: asyncio.run(asynchronous.reply()),
                "close": engine.close,
            }
            for name, call in calls.items():
                try:
                    print(name, "gave", call())
                except indwell.ForkedError as error:
                    assert error.kind == "forked" and "fork" in str(error)
                else:
                    sys.exit(3)
            blocking.cancel()
            response.close()
            prefix.unpin()
            assert engine.closed
            assert engine.model.parameters > 0

        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            in_child()
            sys.exit(0)  # Through the interpreter's whole exit, hooks and all.
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        print("child", f"signal {os.WTERMSIG(status)}" if killed else os.WEXITSTATUS(status))
        last = list(blocking)[-1]
        print("parent", last.reason, engine.complete("1 2 3", max_tokens=2).finish_reason)
        """
    )
    assert (ended.exit_code, ended.stderr) == (0, ""), ended
    assert ended.stdout == "child 0\nparent length length\n"


def test_a_child_that_only_exits_exits() -> None:
    ended = run_python(
        """
        import os, signal, warnings
        from prompts import ENDLESS
        warnings.simplefilter("ignore")
        engine = indwell.Engine(MODEL, context_tokens=2048)
        streams = [engine.complete(ENDLESS, stream=True, max_tokens=200) for _ in range(4)]
        for _ in range(5):
            next(streams[0])
            child = os.fork()
            if child == 0:
                signal.alarm(60)
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0
        print(streams[1].reply().finish_reason)
        """
    )
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "length\n", ""), ended


def test_a_spawned_process_loads_an_engine_of_its_own() -> None:
    ended = run_python(
        """
        import subprocess
        engine = indwell.Engine(MODEL, context_tokens=512)
        engine.complete("1 2 3", max_tokens=1)
        ask = f"print(indwell.Engine({MODEL!r}).complete('1 2 3', max_tokens=1).finish_reason)"
        command = [sys.executable, "-c", "import indwell; " + ask]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        """
    )
    assert (ended.exit_code, ended.stdout.strip()) == (0, "length"), ended
