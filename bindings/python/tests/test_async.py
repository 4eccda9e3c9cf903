"""asyncio: replies, streams, cancelling, several loops."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import List

import indwell
import pytest
from prompts import ENDLESS
from waiting import wait_until


async def test_achat_and_acomplete_give_the_blocking_answers(engine: indwell.Engine) -> None:
    chat = await asyncio.to_thread(engine.chat, "What is 2 + 2?", max_tokens=8)
    assert (await engine.achat("What is 2 + 2?", max_tokens=8)).text == chat.text
    # Usage says what was cached, so both compute all of it.
    complete = await asyncio.to_thread(engine.complete, "1 2 3", max_tokens=8, cache="bypass")
    reply = await engine.acomplete("1 2 3", max_tokens=8, logprobs=True, cache="bypass")
    assert reply.text == complete.text
    assert reply.usage == complete.usage
    assert len(reply.logprobs) == reply.usage.completion_tokens


async def test_an_async_stream_is_used_without_await(engine: indwell.Engine) -> None:
    text = ""
    last = None
    async for event in engine.acomplete("1 2 3", stream=True, max_tokens=12):
        last = event
        if event.type == "text":
            text += event.text
    assert last is not None and last.type == "finished"
    assert text == (await engine.acomplete("1 2 3", max_tokens=12)).text


async def test_an_async_stream_is_over_after_its_end(engine: indwell.Engine) -> None:
    stream = engine.achat("Hello", stream=True, max_tokens=2)
    assert [event.type async for event in stream][-1] == "finished"
    assert [event async for event in stream] == []
    with pytest.raises(RuntimeError, match="read to its end"):
        await stream.reply()


async def test_an_async_reply_folds_what_was_not_read(engine: indwell.Engine) -> None:
    whole = await engine.acomplete(ENDLESS, max_tokens=12)
    stream = engine.acomplete(ENDLESS, stream=True, max_tokens=12)
    first = await stream.__anext__()
    assert first.type == "text"
    assert first.text + (await stream.reply()).text == whole.text


async def test_many_tasks_share_steps(engine: indwell.Engine) -> None:
    before = engine.stats()
    replies = await asyncio.gather(
        *(engine.acomplete(f"{i} 2 3 4 5 6", max_tokens=12) for i in range(8))
    )
    after = engine.stats()
    tokens = sum(reply.usage.completion_tokens for reply in replies)
    assert after.completion_tokens - before.completion_tokens == tokens
    assert after.steps - before.steps < tokens / 2


async def test_leaving_the_async_block_cancels(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    async with engine.acomplete(ENDLESS, stream=True, max_tokens=400) as stream:
        await stream.__anext__()
    await asyncio.to_thread(wait_until, lambda: engine.stats().requests_cancelled == before + 1)


async def test_cancelling_the_task_cancels_a_stream(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    started = asyncio.Event()

    async def read() -> None:
        async for _ in engine.acomplete(ENDLESS, stream=True, max_tokens=400):
            started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until, lambda: engine.stats().requests_cancelled == before + 1)


async def test_cancelling_the_task_cancels_a_reply(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    task = asyncio.create_task(engine.acomplete(ENDLESS, max_tokens=400))
    await asyncio.to_thread(wait_until, lambda: engine.stats().requests_running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until, lambda: engine.stats().requests_cancelled == before + 1)


async def test_a_timeout_cancels_the_request(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(engine.acomplete(ENDLESS, max_tokens=400), timeout=0.05)
    await asyncio.to_thread(wait_until, lambda: engine.stats().requests_cancelled == before + 1)


async def test_cancelling_the_stream_raises_ours_and_not_asyncios(engine: indwell.Engine) -> None:
    stream = engine.acomplete(ENDLESS, stream=True, max_tokens=400)
    await stream.__anext__()
    stream.cancel()
    with pytest.raises(indwell.CancelledError):
        async for _ in stream:
            pass
    waiting = asyncio.create_task(engine.acomplete(ENDLESS, stream=True, max_tokens=400).reply())
    await asyncio.to_thread(wait_until, lambda: engine.stats().requests_running == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_stream_that_was_cancelled_first_is_never_sent(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    stream = engine.acomplete(ENDLESS, stream=True, max_tokens=400)
    stream.cancel()
    for _ in range(2):
        with pytest.raises(indwell.CancelledError):
            await stream.reply()
    assert engine.stats().requests_cancelled == before


async def test_messages_may_come_from_an_iterator(engine: indwell.Engine) -> None:
    messages = (indwell.Message("user", text) for text in ["What is 2 + 2?"])
    assert (await engine.achat(messages, max_tokens=2)).text


async def test_a_second_task_is_refused(engine: indwell.Engine) -> None:
    stream = engine.acomplete(ENDLESS, stream=True, max_tokens=400)
    first = asyncio.create_task(stream.reply())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task"):
        await stream.__anext__()
    stream.cancel()
    with pytest.raises(indwell.CancelledError):
        await first


async def test_a_reader_that_is_always_behind_leaves_the_loop_its_turns(
    engine: indwell.Engine,
) -> None:
    stream = engine.acomplete(ENDLESS, stream=True, max_tokens=16)
    await stream.__anext__()
    await asyncio.to_thread(wait_until, lambda: engine.stats().requests_running == 0)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count_turns())
    events = [event async for event in stream]
    counter.cancel()
    assert turns >= len(events) - 1


async def test_errors_are_raised_where_they_are_awaited(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        await engine.achat("Hello", max_tokens=0)
    assert caught.value.field == "max_tokens"
    with pytest.raises(indwell.InvalidRequestError):
        await engine.achat("Hello", stream=True, max_tokens=0).__anext__()
    with pytest.raises(indwell.InvalidRequestError):
        async with engine.achat("Hello", stream=True, max_tokens=0):
            pass
    with pytest.raises(indwell.DeadlineExceededError):
        await engine.acomplete(ENDLESS, max_tokens=400, timeout_ms=20)
    with pytest.raises(TimeoutError):
        async for _ in engine.acomplete(ENDLESS, stream=True, max_tokens=400, timeout_ms=20):
            pass


def test_several_loops_in_several_threads(engine: indwell.Engine) -> None:
    texts: List[str] = []

    async def ask() -> None:
        replies = await asyncio.gather(*(engine.acomplete("1 2 3", max_tokens=8) for _ in range(3)))
        texts.extend(reply.text for reply in replies)

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 9


def test_a_run_that_ends_cancels_the_tasks_it_leaves(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled

    async def leave_tasks() -> None:
        task = asyncio.create_task(engine.acomplete(ENDLESS, max_tokens=400))
        reading = asyncio.create_task(
            engine.acomplete(ENDLESS, stream=True, max_tokens=400).__anext__()
        )
        await reading
        assert not task.done()

    asyncio.run(leave_tasks())
    gc.collect()
    wait_until(lambda: engine.stats().requests_cancelled == before + 2)


def test_a_request_outlives_a_loop_that_is_closed_around_it(engine: indwell.Engine) -> None:
    before = engine.stats().requests_finished
    loop = asyncio.new_event_loop()
    # What asyncio says of a task that is dropped unfinished.
    loop.set_exception_handler(lambda loop, context: None)
    task = loop.create_task(engine.acomplete("1 2 3", max_tokens=4))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    wait_until(lambda: engine.stats().requests_finished == before + 1)
    del task


async def test_aload_and_aclose(model: str) -> None:
    stages = set()
    engine = await indwell.Engine.aload(
        model, context_tokens=512, on_progress=lambda progress: stages.add(progress.stage)
    )
    async with engine:
        assert (await engine.acomplete("1 2 3", max_tokens=2)).text
    assert engine.closed
    assert "load" in stages
    await engine.aclose()
    with pytest.raises(indwell.EngineClosedError):
        await engine.achat("Hello")
