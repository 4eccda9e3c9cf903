"""The prefix cache from Python: what is found again, prefixes that are kept, and trimming."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, Dict, List

import indwell
import pytest
from waiting import wait_until

RULE = "Answer in one short sentence, and say so where you do not know. "


def instructions(topic: str) -> Dict[str, str]:
    """A system message of about 300 tokens, which begins with `topic`."""
    return {"role": "system", "content": f"You know everything about {topic}. " + RULE * 20}


def ask(engine: indwell.Engine, topic: str, **options: Any) -> indwell.Usage:
    question = {"role": "user", "content": "What is it?"}
    messages = [instructions(topic), question]
    reply: indwell.Reply = engine.chat(messages, max_tokens=4, **options)
    return reply.usage


def test_a_second_request_that_begins_alike_is_cached(own_engine: indwell.Engine) -> None:
    first, second = ask(own_engine, "llamas"), ask(own_engine, "llamas")
    assert (first.cached_tokens, first.cache) == (0, None)
    assert second.cache == "resident"
    assert 250 < second.cached_tokens < second.prompt_tokens
    stats = own_engine.stats()
    assert stats.prefix_cache_hits == second.cached_tokens
    assert stats.prefix_cache_queries == first.prompt_tokens + second.prompt_tokens
    rate = stats.prefix_cache_hits / stats.prefix_cache_queries
    assert stats.prefix_cache_hit_rate == rate
    resident = own_engine.caches().resident
    assert (resident.hits, resident.hit_tokens) == (1, second.cached_tokens)
    assert resident.entries > 0 and resident.bytes > 0 and resident.capacity_bytes > 0


def test_a_bypass_and_another_salt_find_nothing(own_engine: indwell.Engine) -> None:
    ask(own_engine, "camels")
    assert ask(own_engine, "camels", cache="bypass").cached_tokens == 0
    assert ask(own_engine, "camels", cache_salt="tenant 1").cached_tokens == 0
    assert ask(own_engine, "camels", cache_salt="tenant 1").cached_tokens > 250


def test_a_kept_prefix_is_found_until_it_is_unpinned(own_engine: indwell.Engine) -> None:
    with own_engine.cache_prefix([instructions("guanacos")]) as prefix:
        assert prefix.tokens > 250 and prefix.pinned and "pinned" in repr(prefix)
        wait_until(lambda: own_engine.caches().pinned_tokens == prefix.tokens)
        assert ask(own_engine, "guanacos").cached_tokens >= prefix.tokens
    assert not prefix.pinned and "unpinned" in repr(prefix)
    wait_until(lambda: own_engine.caches().pinned_tokens == 0)
    prefix.unpin()
    assert prefix.tokens > 250


def test_a_dropped_prefix_is_unpinned(own_engine: indwell.Engine) -> None:
    prefix = own_engine.cache_prefix([instructions("sheep")])
    wait_until(lambda: own_engine.caches().pinned_tokens == prefix.tokens)
    del prefix
    gc.collect()
    wait_until(lambda: own_engine.caches().pinned_tokens == 0)


async def test_a_prefix_can_be_awaited(own_engine: indwell.Engine) -> None:
    messages = [indwell.Message("user", "word " * 1500)]
    short, long = await asyncio.gather(
        own_engine.acache_prefix("Hello"),
        own_engine.acache_prefix(iter(messages), cache_salt="one", timeout_ms=60_000),
    )
    assert short.tokens < 100 and long.tokens > 1400
    await asyncio.to_thread(wait_until, lambda: own_engine.caches().pinned_tokens > 1400)
    short.unpin()
    long.unpin()


async def test_cancelling_the_task_gives_the_prefix_up(own_engine: indwell.Engine) -> None:
    waiting = asyncio.create_task(own_engine.acache_prefix("word " * 1900))
    await asyncio.to_thread(wait_until, lambda: own_engine.stats().requests_running == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del waiting
    await asyncio.to_thread(wait_until, lambda: own_engine.stats().requests_running == 0)
    assert own_engine.stats().requests_cancelled == 1
    assert own_engine.caches().pinned_tokens == 0


def test_a_bad_prefix_is_refused_as_a_bad_request_is(own_engine: indwell.Engine) -> None:
    bad: List[Dict[str, Any]] = [
        {"field": "messages", "messages": []},
        {"field": "cache_salt", "messages": "Hello", "cache_salt": ""},
        {"field": "max_tokens", "messages": "Hello", "max_tokens": 4},
        {"field": "timeout_ms", "messages": "Hello", "timeout_ms": 0},
    ]
    for case in bad:
        field = case.pop("field")
        with pytest.raises(indwell.InvalidRequestError) as caught:
            own_engine.cache_prefix(**case)
        assert caught.value.field == field and caught.value.remedy
    with pytest.raises(indwell.ContextOverflowError):
        own_engine.cache_prefix("word " * 5000)
    with pytest.raises(indwell.DeadlineExceededError):
        own_engine.cache_prefix([instructions("snails")], timeout_ms=0.001)


def test_an_engine_without_a_prefix_cache_says_so(model: str) -> None:
    with indwell.Engine(
        model, context_tokens=512, prefix_cache_tokens=0, response_cache_bytes=0
    ) as engine:
        with pytest.raises(indwell.UnsupportedError) as caught:
            engine.cache_prefix("Hello")
        assert "prefix_cache_tokens" in str(caught.value.remedy)
        off = indwell.CacheTierStats(0, 0, 0, 0, 0, 0, 0)
        no_answers = indwell.ResponseCacheStats(0, 0, 0, 0, 0, 0, 0, 0)
        assert engine.caches() == indwell.CacheStats(off, off, off, 0, no_answers)
        assert engine.stats().prefix_cache_hit_rate == 0.0


async def test_trimming_gives_memory_back(model: str) -> None:
    with indwell.Engine(
        model, context_tokens=2048, prefix_cache_tokens=400, host_cache_bytes=2**28
    ) as engine:
        for topic in ("one", "two", "three", "four"):
            ask(engine, topic)
        await asyncio.to_thread(wait_until, lambda: engine.caches().host.bytes > 0)
        held = engine.caches().host
        assert engine.trim(0) == 0
        # What an entry takes for its bookkeeping is not counted as given back.
        assert await engine.atrim(2**64 - 1) + 2048 * held.entries >= held.bytes


@pytest.mark.parametrize("bytes", [-1, 2**64, 1.5, "all", None])
def test_trimming_no_number_of_bytes_is_refused(engine: indwell.Engine, bytes: Any) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.trim(bytes)
    assert caught.value.field == "bytes"


def test_a_closed_engine_keeps_no_prefix(own_engine: indwell.Engine) -> None:
    prefix = own_engine.cache_prefix("Hello")
    own_engine.close()
    for call in (
        lambda: own_engine.cache_prefix("Hello"),
        lambda: own_engine.trim(1),
        lambda: asyncio.run(own_engine.atrim(1)),
        lambda: asyncio.run(own_engine.acache_prefix("Hello")),
    ):
        with pytest.raises(indwell.EngineClosedError):
            call()
    assert own_engine.caches().pinned_tokens == 0
    prefix.unpin()
    assert prefix.tokens > 0
