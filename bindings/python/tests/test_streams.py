"""Blocking streams."""

from __future__ import annotations

import gc
import queue
import threading
from typing import List

import indwell
import pytest
from prompts import ENDLESS
from waiting import wait_until


def test_a_stream_yields_the_text_of_the_reply_and_then_the_end(engine: indwell.Engine) -> None:
    reply = engine.complete("1 2 3", max_tokens=12)
    stream = engine.complete("1 2 3", max_tokens=12, stream=True)
    *deltas, last = list(stream)
    assert "".join(delta.text for delta in deltas if delta.type == "text") == reply.text
    assert last.type == "finished"
    assert (last.reason, last.usage) == (reply.finish_reason, reply.usage)
    assert list(stream) == []


def test_a_chat_streams_too(engine: indwell.Engine) -> None:
    events = list(engine.chat("What is 2 + 2?", stream=True, max_tokens=16, logprobs=True))
    assert isinstance(events[-1], indwell.Finished)
    tokens = [entry for event in events if event.type == "text" for entry in event.logprobs]
    assert len(tokens) >= events[-1].usage.completion_tokens


def test_leaving_the_block_cancels(engine: indwell.Engine) -> None:
    before = engine.stats()
    with engine.complete(ENDLESS, stream=True, max_tokens=400) as stream:
        assert next(stream).type == "text"
    wait_until(lambda: engine.stats().requests_cancelled == before.requests_cancelled + 1)
    assert engine.stats().completion_tokens < before.completion_tokens + 400


def test_dropping_a_stream_cancels(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
    next(stream)
    del stream
    gc.collect()
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


def test_a_cancelled_stream_raises_once_and_is_over(engine: indwell.Engine) -> None:
    stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
    next(stream)
    stream.cancel()
    with pytest.raises(indwell.CancelledError) as caught:
        for _ in stream:
            pass
    assert caught.value.kind == "cancelled"
    assert list(stream) == []
    stream.cancel()


def test_reply_folds_what_was_not_read(engine: indwell.Engine) -> None:
    whole = engine.complete(ENDLESS, max_tokens=12)
    stream = engine.complete(ENDLESS, stream=True, max_tokens=12)
    first = next(stream)
    assert first.type == "text"
    rest = stream.reply()
    assert first.text + rest.text == whole.text
    assert rest.usage == whole.usage
    with pytest.raises(RuntimeError, match="read to its end"):
        stream.reply()


def test_a_cancelled_reply_raises(engine: indwell.Engine) -> None:
    stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
    stream.cancel()
    with pytest.raises(indwell.CancelledError):
        stream.reply()


def test_another_thread_can_cancel_what_is_being_read(engine: indwell.Engine) -> None:
    stream = engine.complete(ENDLESS, stream=True, max_tokens=400)
    outcome: List[object] = []

    def read() -> None:
        try:
            outcome.append(stream.reply())
        except indwell.CancelledError as error:
            outcome.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    wait_until(lambda: engine.stats().requests_running == 1)
    stream.cancel()
    reader.join()
    assert isinstance(outcome[0], indwell.CancelledError)


def test_a_second_reader_is_refused(model: str) -> None:
    with indwell.Engine(
        model, context_tokens=512, sequences_max=1, stream_capacity=1, response_cache_bytes=0
    ) as engine:
        # Nobody reads the first stream, so it pauses, and the second one's turn does not come.
        paused = engine.complete(ENDLESS, stream=True, max_tokens=100)
        waiting = engine.complete(ENDLESS, stream=True, max_tokens=100)
        outcomes: "queue.Queue[BaseException]" = queue.Queue()

        def read() -> None:
            try:
                next(waiting)
            except (RuntimeError, indwell.CancelledError) as error:
                outcomes.put(error)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        refused = outcomes.get()
        assert isinstance(refused, RuntimeError) and "another thread" in str(refused)
        waiting.cancel()
        assert isinstance(outcomes.get(), indwell.CancelledError)
        for reader in readers:
            reader.join()
        paused.cancel()


def test_a_stream_keeps_its_engine(model: str) -> None:
    stream = indwell.Engine(model).complete("1 2 3", stream=True, max_tokens=4)
    gc.collect()
    assert list(stream)[-1].type == "finished"
