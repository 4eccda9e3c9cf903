"""A slow reader pauses its own request, and nobody else's."""

from __future__ import annotations

import indwell
from prompts import ENDLESS
from waiting import wait_until


def test_a_stream_that_nobody_reads_pauses_and_the_others_finish(model: str) -> None:
    capacity = 4
    with indwell.Engine(
        model,
        context_tokens=2048,
        sequences_max=8,
        stream_capacity=capacity,
        response_cache_bytes=0,
    ) as engine:
        unread = engine.complete(ENDLESS, stream=True, max_tokens=48)
        others = [engine.complete(f"{number} 2 3 4", max_tokens=24) for number in range(3)]
        assert all(other.usage.completion_tokens == 24 for other in others)

        # The engine rests, with the unread stream as far as its capacity lets it.
        stats = engine.stats()
        unread_tokens = stats.completion_tokens - 3 * 24
        assert stats.requests_running == 1
        assert 0 < unread_tokens <= capacity + 1

        events = list(unread)
        assert isinstance(events[-1], indwell.Finished)
        assert events[-1].usage.completion_tokens == 48
        assert engine.complete(ENDLESS, max_tokens=48).text == "".join(
            event.text for event in events if event.type == "text"
        )


def test_a_paused_stream_is_cancelled_by_dropping_it(model: str) -> None:
    with indwell.Engine(model, context_tokens=2048, sequences_max=8, stream_capacity=2) as engine:
        unread = engine.complete(ENDLESS, stream=True, max_tokens=400)
        wait_until(lambda: engine.stats().completion_tokens >= 2)
        del unread
        wait_until(lambda: engine.stats().requests_running == 0)
        assert engine.stats().requests_cancelled == 1
