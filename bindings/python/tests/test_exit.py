"""The interpreter's exit with work in flight: clean, quiet, and at once."""

from __future__ import annotations

import pytest
from child import run_python

PROGRAMS = {
    "an_unread_stream": """
        stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
    """,
    "a_stream_half_read": """
        stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
        next(stream)
    """,
    "many_streams": """
        streams = [engine.complete(ENDLESS, stream=True, max_tokens=400) for _ in range(16)]
        next(streams[3])
    """,
    "nothing": """
        engine.complete("1 2 3", max_tokens=1)
    """,
    "an_engine_in_a_cycle": """
        cycle = [engine, engine.complete(ENDLESS, stream=True, max_tokens=400)]
        cycle.append(cycle)
    """,
    "an_engine_that_was_closed": """
        stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
        engine.close()
    """,
    "a_daemon_thread_that_waits": """
        import threading
        from waiting import wait_until
        def ask():
            engine.complete(ENDLESS, max_tokens=400)
        threading.Thread(target=ask, daemon=True).start()
        wait_until(lambda: engine.stats().requests_running == 1)
    """,
    "a_daemon_thread_that_reads": """
        import threading
        reading = threading.Event()
        def read():
            for _ in engine.complete(ENDLESS, stream=True, max_tokens=400):
                reading.set()
        threading.Thread(target=read, daemon=True).start()
        reading.wait()
    """,
    "an_async_stream_of_a_finished_loop": """
        import asyncio
        async def main():
            global stream
            stream = engine.acomplete(ENDLESS, stream=True, max_tokens=400)
            await stream.__anext__()
        asyncio.run(main())
    """,
    "a_task_that_nobody_awaits": """
        import asyncio
        async def main():
            global task
            task = asyncio.create_task(engine.acomplete(ENDLESS, max_tokens=400))
            await asyncio.sleep(0)
        asyncio.run(main())
    """,
    "a_daemon_thread_with_a_loop": """
        import asyncio, threading
        from waiting import wait_until
        async def main():
            await asyncio.gather(*(engine.acomplete(ENDLESS, max_tokens=400) for _ in range(4)))
        threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
        wait_until(lambda: engine.stats().requests_running == 4)
    """,
    "a_hook_that_still_asks": """
        import atexit
        atexit.register(lambda: print(engine.complete("1 2 3", max_tokens=1).finish_reason))
    """,
    "sys_exit_in_the_middle": """
        stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
        for event in stream:
            print("done", flush=True)
            sys.exit(0)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_exit_is_clean_with(name: str) -> None:
    setup = """
        from prompts import ENDLESS
        engine = indwell.Engine(MODEL, context_tokens=2048, response_cache_bytes=0)
    """
    ended = run_python(setup + PROGRAMS[name] + "\n        print('done', flush=True)\n")
    assert (ended.exit_code, ended.stderr) == (0, ""), ended
    assert ended.stdout.startswith("done\n")


#: What a function of semantic mode is doing when the interpreter exits.
FUNCTIONS = {
    "computing": "while True: pass",
    "sleeping_now_and_then": "while True: threading.Event().wait(0.001)",
    "waiting_for_ever": "threading.Lock().acquire() and threading.Event().wait()",
}


@pytest.mark.parametrize("which", ["embed", "verify"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_exit_is_clean_with_a_function_of_semantic_mode_that_is(function: str, which: str) -> None:
    ended = run_python(
        f"""
        import threading
        engine = indwell.Engine(MODEL, context_tokens=2048)
        running = threading.Semaphore(0)

        def never_returns(_):
            running.release()
            {FUNCTIONS[function]}

        def embed(prompt):
            return [1.0, 2.0]

        quick = indwell.Semantic(0.1, embed, lambda match: True)
        engine.complete("1 2 3", max_tokens=1, semantic=quick)
        embed, verify = (never_returns, None) if {which == "embed"} else (embed, never_returns)
        stuck = indwell.Semantic(0.1, embed, verify or (lambda match: True), timeout_ms=600_000)
        streams = [
            engine.complete(f"{{number}} 2 3", max_tokens=1, stream=True, semantic=stuck)
            for number in range(4, 7)
        ]
        for _ in streams:
            running.acquire()
        print("done", flush=True)
        """
    )
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "done\n", ""), ended


def test_an_engine_used_after_the_hook_is_closed() -> None:
    ended = run_python(
        """
        engine = indwell.Engine(MODEL, context_tokens=512)

        class Last:
            def __del__(self, closed=indwell.EngineClosedError):
                try:
                    engine.complete("1 2 3")
                except closed as error:
                    print(error.kind)

        last = Last()
        """
    )
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "engine_closed\n", ""), ended
