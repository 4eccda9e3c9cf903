"""Cancelling frees the sequence within one step, in the middle of the prompt too.

The engine serves nothing else here, so after the cancel it computes at most the step that was
running, and one that it may have begun between the reading of the counter and the cancel.
"""

from __future__ import annotations

import asyncio

import indwell
from prompts import ENDLESS, of_words
from waiting import wait_until

STEPS_MAX = 2


def steps_until_free(engine: indwell.Engine, steps_at_cancel: int) -> int:
    wait_until(lambda: engine.stats().requests_running == 0)
    stats = engine.stats()
    # What was computed of its prompt stays cached, and is nobody's.
    assert stats.cells_used <= engine.caches().resident.tokens
    return stats.steps - steps_at_cancel


def wait_for_steps(engine: indwell.Engine, steps: int) -> None:
    wait_until(lambda: engine.stats().steps >= steps)


def test_cancelling_while_decoding_frees_the_sequence_within_a_step(engine: indwell.Engine) -> None:
    stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
    for _ in range(4):
        next(stream)
    before = engine.stats()
    stream.cancel()
    steps = steps_until_free(engine, before.steps)
    print(f"\nfree after {steps} steps")
    assert steps <= STEPS_MAX
    assert engine.stats().requests_cancelled == before.requests_cancelled + 1


def test_cancelling_in_the_prompt_frees_the_sequence_within_a_step(model: str) -> None:
    with indwell.Engine(model, batch_tokens=64, sequences_max=4, prefill_chunk_tokens=64) as engine:
        stream = engine.complete(of_words(4000), stream=True)
        wait_for_steps(engine, 2)
        before = engine.stats()
        stream.cancel()
        steps = steps_until_free(engine, before.steps)
        after = engine.stats()
        print(f"\nfree after {steps} steps, {after.prompt_tokens} prompt tokens computed")
        assert steps <= STEPS_MAX
        assert after.prompt_tokens < 2000
        assert after.completion_tokens == 0
        assert after.requests_cancelled == 1


async def test_cancelling_the_task_in_the_prompt_frees_the_sequence_within_a_step(
    model: str,
) -> None:
    with indwell.Engine(model, batch_tokens=64, sequences_max=4, prefill_chunk_tokens=64) as engine:
        task = asyncio.create_task(engine.acomplete(of_words(4000)))
        await asyncio.sleep(0)
        await asyncio.to_thread(wait_for_steps, engine, 2)
        before = engine.stats()
        task.cancel()
        # One turn of the loop throws the cancellation into the task.
        await asyncio.sleep(0)
        steps = await asyncio.to_thread(steps_until_free, engine, before.steps)
        print(f"\nfree after {steps} steps")
        assert steps <= STEPS_MAX
        assert engine.stats().completion_tokens == 0


def test_cancelling_one_leaves_the_others(engine: indwell.Engine) -> None:
    alone = engine.complete("1 2 3 4", max_tokens=16).text
    victim = engine.complete(ENDLESS, stream=True, max_tokens=400)
    survivor = engine.complete("1 2 3 4", stream=True, max_tokens=16)
    next(victim)
    victim.cancel()
    assert survivor.reply().text == alone
