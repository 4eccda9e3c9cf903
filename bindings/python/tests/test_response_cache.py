"""The response cache from Python: what is answered without being computed, and what is not."""

from __future__ import annotations

import asyncio
import random
import statistics
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import indwell
import pytest
from prompts import ENDLESS
from waiting import wait_until

CALLERS = 64
TOKENS = 16


def ask(engine: indwell.Engine, prompt: str = "1 2 3", **options: Any) -> indwell.Reply:
    reply: indwell.Reply = engine.complete(prompt, **{"max_tokens": TOKENS, **options})
    return reply


def is_stored(engine: indwell.Engine, prompt: str = "1 2 3", **options: Any) -> bool:
    try:
        return ask(engine, prompt, cache="only_if_cached", **options).usage.cache == "response"
    except indwell.NotCachedError:
        return False


def assert_same_answer(first: indwell.Reply, second: indwell.Reply) -> None:
    assert second.text == first.text
    assert second.logprobs == first.logprobs
    assert second.finish_reason == first.finish_reason
    assert second.usage.completion_tokens == first.usage.completion_tokens


def test_the_same_request_is_answered_by_what_is_stored(model: str) -> None:
    with indwell.Engine(model, context_tokens=512) as engine:
        first, second = ask(engine, logprobs=True), ask(engine, logprobs=True)
        assert first.usage.cache is None and len(first.logprobs) == TOKENS
        assert_same_answer(first, second)
        usage = second.usage
        assert (usage.cache, usage.semantic_distance) == ("response", None)
        assert usage.cached_tokens == usage.prompt_tokens == first.usage.prompt_tokens
        assert second.timings.decode_ms <= second.timings.total_ms < first.timings.total_ms

        stats = engine.stats()
        assert (stats.response_cache_queries, stats.response_cache_hits) == (2, 1)
        assert stats.response_cache_hit_rate == 0.5
        assert stats.requests_finished == 2 and stats.completion_tokens == TOKENS
        held = engine.caches().response
        assert (held.entries, held.hits, held.misses) == (1, 1, 1)
        assert (held.shared, held.semantic_hits, held.evictions) == (0, 0, 0)
        assert 0 < held.bytes < held.capacity_bytes
    assert engine.caches().response.hits == 1


def test_a_hit_is_far_faster_than_computing(cached: indwell.Engine) -> None:
    def seconds(**options: Any) -> float:
        begin = time.perf_counter()
        ask(cached, **options)
        return time.perf_counter() - begin

    computed = statistics.median(seconds(cache="bypass") for _ in range(3))
    ask(cached)
    hit = statistics.median(seconds() for _ in range(300))
    print(f"\na hit takes {hit * 1e6:.0f} us, computing {computed * 1e6:.0f} us")
    assert hit * 100 < computed


def test_a_chat_is_stored_too(cached: indwell.Engine) -> None:
    first = cached.chat("What is 2 + 2?", max_tokens=8)
    second = cached.chat([indwell.Message("user", "What is 2 + 2?")], max_tokens=8)
    assert second.usage.cache == "response"
    assert_same_answer(first, second)


async def test_every_form_of_a_request_hits(cached: indwell.Engine) -> None:
    first = ask(cached, logprobs=True)
    options: Dict[str, Any] = {"max_tokens": TOKENS, "logprobs": True}
    awaited = await cached.acomplete("1 2 3", **options)
    rest = await cached.acomplete("1 2 3", stream=True, **options).reply()
    for reply in (awaited, rest, cached.complete("1 2 3", stream=True, **options).reply()):
        assert reply.usage.cache == "response"
        assert_same_answer(first, reply)
    asynchronous = [event async for event in cached.acomplete("1 2 3", stream=True, **options)]
    for events in (asynchronous, list(cached.complete("1 2 3", stream=True, **options))):
        text, end = events
        assert isinstance(text, indwell.TextDelta) and isinstance(end, indwell.Finished)
        assert (text.text, text.logprobs) == (first.text, first.logprobs)
        assert (end.reason, end.usage.cache) == (first.finish_reason, "response")


async def test_hits_leave_the_loop_its_turns(cached: indwell.Engine) -> None:
    ask(cached)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count_turns())
    for _ in range(50):
        assert (await cached.acomplete("1 2 3", max_tokens=TOKENS)).usage.cache == "response"
    counter.cancel()
    assert turns >= 49


def test_a_request_that_differs_is_computed(cached: indwell.Engine) -> None:
    ask(cached)
    differing: List[Dict[str, Any]] = [
        {"prompt": "1 2 3 "},
        {"max_tokens": TOKENS + 1},
        {"logprobs": True},
        {"stop": "9"},
        {"seed": 1, "temperature": 0.5},
        {"cache_salt": "tenant"},
    ]
    for options in differing:
        assert ask(cached, **options).usage.cache != "response", options
        assert ask(cached, **options).usage.cache == "response", options
    assert ask(cached).usage.cache == "response"


def test_a_sampled_request_is_stored_if_it_has_a_seed(cached: indwell.Engine) -> None:
    sampled: Dict[str, Any] = {"temperature": 1.0, "prompt": "Once upon a time"}
    first = ask(cached, seed=7, **sampled)
    assert_same_answer(first, ask(cached, seed=7, **sampled))
    assert ask(cached, seed=7, **sampled).usage.cache == "response"
    assert not is_stored(cached, seed=8, **sampled)
    before = cached.stats().response_cache_queries
    for _ in range(2):
        assert ask(cached, **sampled).usage.cache != "response"
    assert cached.stats().response_cache_queries == before


def test_each_mode_does_what_it_says(cached: indwell.Engine) -> None:
    with pytest.raises(indwell.NotCachedError) as caught:
        ask(cached, cache="only_if_cached")
    assert caught.value.kind == "not_cached"
    assert "only_if_cached" in (caught.value.remedy or "")
    steps = cached.stats().steps
    with pytest.raises(indwell.NotCachedError):
        cached.complete("1 2 3", max_tokens=TOKENS, cache="only_if_cached", stream=True)
    assert cached.stats().steps == steps

    assert ask(cached, cache="bypass").usage.cache is None
    assert not is_stored(cached)
    first = ask(cached, cache="refresh")
    assert first.usage.cache != "response"
    assert is_stored(cached)
    assert ask(cached, cache="refresh").usage.cache != "response"
    assert ask(cached, cache="use").usage.cache == "response"
    assert ask(cached, cache="bypass").usage.cache is None
    assert_same_answer(first, ask(cached, cache="only_if_cached"))


async def test_what_is_not_cached_is_raised_where_it_is_awaited(cached: indwell.Engine) -> None:
    with pytest.raises(indwell.NotCachedError):
        await cached.acomplete("1 2 3", cache="only_if_cached")
    with pytest.raises(indwell.NotCachedError):
        await cached.achat("Hello", cache="only_if_cached", stream=True).__anext__()


def test_a_random_answer_cannot_be_only_cached(cached: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        ask(cached, temperature=1.0, cache="only_if_cached")
    assert caught.value.field == "cache" and caught.value.remedy


def test_an_answer_is_kept_as_long_as_its_request_says(cached: indwell.Engine) -> None:
    ask(cached, cache_ttl_ms=1)
    wait_until(lambda: not is_stored(cached))
    assert ask(cached, cache_ttl_ms=3_600_000).usage.cache != "response"
    assert ask(cached, cache_ttl_ms=1).usage.cache == "response"


def test_an_answer_is_kept_as_long_as_its_engine_says(model: str) -> None:
    with indwell.Engine(model, context_tokens=512, response_cache_ttl_ms=1) as engine:
        ask(engine)
        wait_until(lambda: not is_stored(engine))
        ask(engine, cache_ttl_ms=3_600_000)
        assert ask(engine).usage.cache == "response"


def test_a_size_of_0_turns_it_off(model: str) -> None:
    with indwell.Engine(model, context_tokens=512, response_cache_bytes=0) as engine:
        for _ in range(2):
            assert ask(engine).usage.cache != "response"
        assert not is_stored(engine)
        assert engine.invalidate_responses() == 0
        assert engine.caches().response == indwell.ResponseCacheStats(0, 0, 0, 0, 0, 0, 0, 0)
        assert engine.stats().response_cache_hit_rate == 0.0


def test_an_answer_larger_than_the_cache_is_not_stored(model: str) -> None:
    with indwell.Engine(model, context_tokens=512, response_cache_bytes=1) as engine:
        assert ask(engine).text == ask(engine).text
        held = engine.caches().response
        assert (held.entries, held.bytes, held.capacity_bytes, held.misses) == (0, 0, 1, 2)


async def test_answers_are_forgotten_for_all_or_for_one_salt(cached: indwell.Engine) -> None:
    salts: List[Optional[str]] = [None, "one", "two"]
    for salt in salts:
        ask(cached, cache_salt=salt)
    ask(cached, "4 5 6", cache_salt="one")
    assert cached.invalidate_responses("one") == 2
    assert [is_stored(cached, cache_salt=salt) for salt in salts] == [True, False, True]
    assert await cached.ainvalidate_responses(cache_salt="two") == 1
    assert cached.invalidate_responses(cache_salt="nobody") == 0
    assert is_stored(cached)
    assert await cached.ainvalidate_responses() == 1
    assert not is_stored(cached)
    assert cached.caches().response.entries == 0


@pytest.mark.parametrize("salt", ["", "x" * 1025, 7, b"one"], ids=lambda salt: repr(salt)[:8])
def test_what_is_no_salt_is_refused(cached: indwell.Engine, salt: Any) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        cached.invalidate_responses(salt)
    assert caught.value.field == "cache_salt" and caught.value.remedy


def test_a_closed_engine_forgets_nothing_more(own_engine: indwell.Engine) -> None:
    own_engine.close()
    with pytest.raises(indwell.EngineClosedError):
        own_engine.invalidate_responses()
    with pytest.raises(indwell.EngineClosedError):
        asyncio.run(own_engine.ainvalidate_responses())


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Does `work` in so many threads at once."""
    barrier = threading.Barrier(count)
    failures: List[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def assert_one_computed(replies: List[indwell.Reply], alone: indwell.Reply) -> None:
    assert len(replies) == CALLERS
    assert [reply.usage.cache for reply in replies].count("response") == CALLERS - 1
    for reply in replies:
        assert_same_answer(alone, reply)


def test_many_threads_with_one_question_have_it_computed_once(cached: indwell.Engine) -> None:
    alone = ask(cached, ENDLESS, logprobs=True, cache="bypass")
    before = cached.stats().completion_tokens
    replies: List[indwell.Reply] = []

    def work(number: int) -> None:
        stream = cached.complete(ENDLESS, stream=True, max_tokens=TOKENS, logprobs=True)
        replies.append(stream.reply())

    in_threads(CALLERS, work)
    assert_one_computed(replies, alone)
    assert cached.stats().completion_tokens == before + TOKENS


async def test_many_tasks_with_one_question_have_it_computed_once(cached: indwell.Engine) -> None:
    alone = await cached.acomplete(ENDLESS, max_tokens=TOKENS, cache="bypass")
    before = cached.stats().completion_tokens
    tasks = [cached.acomplete(ENDLESS, max_tokens=TOKENS) for _ in range(CALLERS)]
    assert_one_computed(await asyncio.gather(*tasks), alone)
    assert cached.stats().completion_tokens == before + TOKENS


async def test_streams_with_one_question_each_have_it_from_the_beginning(
    cached: indwell.Engine,
) -> None:
    alone = await cached.acomplete(ENDLESS, max_tokens=TOKENS, cache="bypass")

    async def read() -> str:
        text = ""
        async for event in cached.acomplete(ENDLESS, stream=True, max_tokens=TOKENS):
            text += event.text if event.type == "text" else ""
        return text

    assert await asyncio.gather(*(read() for _ in range(CALLERS))) == [alone.text] * CALLERS


@pytest.mark.parametrize("seed", range(3))
def test_callers_that_cancel_leave_the_others_whole(cached: indwell.Engine, seed: int) -> None:
    chance = random.Random(seed)
    alone = ask(cached, ENDLESS, cache="bypass")
    streams = [
        cached.complete(ENDLESS, stream=True, max_tokens=TOKENS) for _ in range(CALLERS)
    ]
    cancelled = set(chance.sample(range(CALLERS), CALLERS // 3))
    if seed == 0:
        cancelled.add(0)  # The one that leads.
    events_read = {number: chance.randrange(4) for number in cancelled}
    marks: List[Optional[str]] = []

    def work(number: int) -> None:
        stream = streams[number]
        if number in cancelled:
            for _ in range(events_read[number]):
                next(stream)
            stream.cancel()
            return
        reply = stream.reply()
        assert_same_answer(alone, reply)
        marks.append(reply.usage.cache)

    in_threads(CALLERS, work)
    assert len(marks) == CALLERS - len(cancelled)
    assert marks.count("response") >= len(marks) - 1
    assert ask(cached, ENDLESS).usage.cache == "response"


def test_answers_outlive_the_engine(model: str, tmp_path: Path) -> None:
    options: Dict[str, Any] = {
        "context_tokens": 512,
        "response_cache_dir": str(tmp_path / "made" / "answers"),
    }
    with indwell.Engine(model, **options) as engine:
        first = ask(engine, logprobs=True)
        ask(engine, "4 5 6")
        assert ask(engine, "4 5 6").usage.cache == "response"
    with indwell.Engine(model, **options) as engine:
        again = ask(engine, logprobs=True, cache="only_if_cached")
        assert again.usage.cache == "response"
        assert_same_answer(first, again)
        assert engine.caches().response.entries == 2
        assert engine.invalidate_responses() == 2
    with indwell.Engine(model, **options) as engine:
        assert not is_stored(engine, logprobs=True)


def test_a_second_engine_in_the_same_folder_is_refused(model: str, tmp_path: Path) -> None:
    options: Dict[str, Any] = {"context_tokens": 512, "response_cache_dir": str(tmp_path)}
    with indwell.Engine(model, **options) as engine:
        with pytest.raises(indwell.IoError) as caught:
            indwell.Engine(model, **options)
        assert isinstance(caught.value, OSError)
        assert str(tmp_path) in caught.value.message and caught.value.remedy
        assert ask(engine).text
    with indwell.Engine(model, **options) as engine:
        assert is_stored(engine)


def test_a_damaged_store_is_set_aside(model: str, tmp_path: Path) -> None:
    options: Dict[str, Any] = {"context_tokens": 512, "response_cache_dir": str(tmp_path)}
    with indwell.Engine(model, **options) as engine:
        ask(engine)
    stores = [path for path in tmp_path.iterdir() if path.stat().st_size > 0]
    assert len(stores) == 1
    damaged = b"This is no store. " * 1000
    stores[0].write_bytes(damaged)
    before = set(tmp_path.iterdir())
    with indwell.Engine(model, **options) as engine:
        assert ask(engine).usage.cache != "response"
    aside = set(tmp_path.iterdir()) - before
    assert [path.read_bytes() for path in aside] == [damaged]
    with indwell.Engine(model, **options) as engine:
        assert is_stored(engine)
