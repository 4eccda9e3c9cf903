"""Engines from load to close."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from typing import Any, List

import indwell
import pytest
from prompts import ENDLESS
from waiting import wait_until


def test_a_closed_engine_serves_no_more(own_engine: indwell.Engine) -> None:
    own_engine.close()
    assert own_engine.closed and "closed" in repr(own_engine)
    for call in (
        lambda: own_engine.chat("Hello"),
        lambda: own_engine.complete("Hello"),
        lambda: own_engine.chat("Hello", stream=True),
        lambda: asyncio.run(own_engine.achat("Hello", stream=True).reply()),
        lambda: asyncio.run(own_engine.achat("Hello")),
    ):
        with pytest.raises(indwell.EngineClosedError) as caught:
            call()
        assert caught.value.remedy
    assert own_engine.model.parameters > 0
    own_engine.stats()


def test_closing_again_does_nothing(own_engine: indwell.Engine) -> None:
    own_engine.close()
    own_engine.close()
    with own_engine:
        pass
    assert own_engine.closed


def test_a_drained_engine_serves_what_it_accepted(own_engine: indwell.Engine) -> None:
    streams = [own_engine.chat("Count.", max_tokens=12, stream=True) for _ in range(3)]
    replies: List[indwell.Reply] = []
    drained: List[bool] = []
    drain = threading.Thread(target=lambda: drained.append(own_engine.drain(timeout_ms=600_000)))
    drain.start()
    wait_until(lambda: refuses(own_engine))
    replies.extend(stream.reply() for stream in streams)
    drain.join()
    assert drained == [True] and own_engine.closed
    assert [reply.usage.completion_tokens for reply in replies] == [12, 12, 12]
    assert own_engine.drain() is True, "again: nothing is left to serve"


def refuses(engine: indwell.Engine) -> bool:
    """Whether it is being drained, or closed."""
    try:
        engine.complete("Hello", max_tokens=1)
    except indwell.EngineClosedError:
        return True
    return False


def test_a_drain_cuts_off_what_takes_longer(own_engine: indwell.Engine) -> None:
    stream = own_engine.complete(ENDLESS, max_tokens=1500, stream=True)
    next(stream)
    assert own_engine.drain(timeout_ms=50) is False
    with pytest.raises(indwell.EngineClosedError):
        for _ in stream:
            pass


def test_a_drain_in_asyncio_can_be_given_up(own_engine: indwell.Engine) -> None:
    async def give_up() -> None:
        stream = own_engine.complete(ENDLESS, max_tokens=1500, stream=True)
        waiting = asyncio.create_task(own_engine.adrain())
        while not refuses(own_engine):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not own_engine.closed
        stream.cancel()
        assert await own_engine.adrain() is True
        assert own_engine.closed

    asyncio.run(give_up())


@pytest.mark.parametrize("timeout_ms", [0, -1, float("nan"), float("inf"), "soon"])
def test_a_drain_with_a_bad_timeout_does_nothing(engine: indwell.Engine, timeout_ms: Any) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.drain(timeout_ms=timeout_ms)
    assert caught.value.field == "timeout_ms"
    assert engine.chat("Hello", max_tokens=2).usage.completion_tokens == 2


def test_with_closes(model: str) -> None:
    with indwell.Engine(model, context_tokens=512) as engine:
        assert not engine.closed
    assert engine.closed


def test_closing_ends_every_request_once(own_engine: indwell.Engine) -> None:
    streams = [own_engine.complete(ENDLESS, stream=True, max_tokens=400) for _ in range(12)]
    next(streams[0])
    own_engine.close()
    for stream in streams:
        with pytest.raises(indwell.EngineClosedError):
            for _ in stream:
                pass
        assert list(stream) == []


async def test_closing_ends_what_is_awaited(own_engine: indwell.Engine) -> None:
    waiting = [asyncio.create_task(own_engine.acomplete(ENDLESS, max_tokens=400)) for _ in range(4)]
    await asyncio.to_thread(wait_until, lambda: own_engine.stats().requests_running == 4)
    await own_engine.aclose()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [indwell.EngineClosedError] * 4


def test_closing_lets_a_waiting_thread_go(own_engine: indwell.Engine) -> None:
    outcomes: List[object] = []

    def ask() -> None:
        try:
            outcomes.append(own_engine.complete(ENDLESS, max_tokens=400))
        except indwell.Error as error:
            outcomes.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: own_engine.stats().requests_running == 1)
    own_engine.close()
    thread.join()
    assert outcomes == [indwell.EngineClosedError]


def test_dropping_an_engine_and_its_streams_ends_them(model: str) -> None:
    engine = indwell.Engine(model, context_tokens=512, response_cache_bytes=0)
    streams = [engine.complete(ENDLESS, stream=True, max_tokens=400) for _ in range(4)]
    next(streams[0])
    dropped = weakref.ref(engine)
    del engine
    assert dropped() is not None, "a stream keeps its engine"
    del streams
    gc.collect()
    assert dropped() is None


def test_a_finished_stream_lets_its_engine_go(model: str) -> None:
    engine = indwell.Engine(model, context_tokens=512)
    stream = engine.complete("1 2 3", stream=True, max_tokens=2)
    dropped = weakref.ref(engine)
    del engine
    for _ in stream:
        pass
    gc.collect()
    assert dropped() is None


def test_an_exception_in_on_progress_is_reported_and_loading_goes_on(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: List[Any] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda unraisable: reported.append(unraisable.exc_value)
    )

    def on_progress(progress: indwell.Progress) -> None:
        raise KeyError(progress.stage)

    with indwell.Engine(model, context_tokens=512, on_progress=on_progress) as engine:
        assert engine.complete("1 2 3", max_tokens=1)
    assert reported and all(isinstance(error, KeyError) for error in reported)


def test_progress_counts_up_to_its_total(model: str) -> None:
    told: List[indwell.Progress] = []
    with indwell.Engine(model, context_tokens=512, on_progress=told.append):
        pass
    assert told[-1].stage == "load"
    assert told[-1].done == told[-1].total == 1000
