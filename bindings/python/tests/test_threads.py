"""Many threads at once: each gets its own answer, and the answers share steps."""

from __future__ import annotations

import contextlib
import threading
from typing import Dict, List

import indwell

THREADS = 16
TOKENS = 16


def test_sixteen_threads_get_each_their_own_answer(engine: indwell.Engine) -> None:
    before = engine.stats()
    barrier = threading.Barrier(THREADS)
    replies: Dict[int, indwell.Reply] = {}
    failures: List[BaseException] = []

    def ask(number: int) -> None:
        try:
            barrier.wait()
            start = number * 10
            prompt = f"{start} {start + 1} {start + 2} {start + 3} {start + 4}"
            if number % 2:
                replies[number] = engine.complete(prompt, max_tokens=TOKENS)
            else:
                replies[number] = engine.complete(prompt, stream=True, max_tokens=TOKENS).reply()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    after = engine.stats()
    tokens = sum(reply.usage.completion_tokens for reply in replies.values())
    steps = after.steps - before.steps
    print(f"\n{tokens} tokens in {steps} steps")
    assert tokens == THREADS * TOKENS
    assert steps < tokens / 3
    # Who counts from 130 goes on with 135: nobody got another's answer.
    right = sum(f"{number * 10 + 5}" in replies[number].text for number in range(1, THREADS))
    assert right >= THREADS - 3


def test_a_full_queue_is_overloaded_and_says_when_to_try_again(model: str) -> None:
    with indwell.Engine(
        model, context_tokens=512, sequences_max=1, queue_requests_max=2, response_cache_bytes=0
    ) as engine:
        streams: List[indwell.TokenStream] = []
        overload = None
        for _ in range(8):
            try:
                streams.append(engine.complete("1 2 3 4 5 6", stream=True, max_tokens=100))
            except indwell.OverloadedError as error:
                overload = error
                break
        assert overload is not None
        assert overload.retry_after_ms is not None and overload.retry_after_ms > 0
        assert overload.limit is not None and overload.remedy is not None
        for stream in streams:
            stream.cancel()
        for stream in streams:
            with contextlib.suppress(indwell.CancelledError):
                stream.reply()
        assert engine.complete("1 2 3", max_tokens=2).text
