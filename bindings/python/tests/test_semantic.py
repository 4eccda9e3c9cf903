"""Semantic mode from Python: its functions, and whatever they may do."""

from __future__ import annotations

import array
import asyncio
import gc
import logging
import threading
import weakref
from typing import Any, Callable, Dict, List

import indwell
import pytest
from waiting import wait_until

ASKED = "What do llamas eat today?"
SIMILAR = "Today, what do llamas eat?"


def letters(prompt: str) -> List[float]:
    """How often each letter comes: the same for all orders of the words."""
    return [float(prompt.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"]


def agree(match: indwell.SemanticMatch) -> bool:
    return True


def ask(engine: indwell.Engine, prompt: str, **options: Any) -> indwell.Reply:
    reply: indwell.Reply = engine.complete(prompt, **{"max_tokens": 8, **options})
    return reply


def asked_first(engine: indwell.Engine) -> indwell.Reply:
    """The answer to `ASKED`, which is remembered."""
    reply = ask(engine, ASKED, semantic=indwell.Semantic(0.1, letters, agree))
    assert reply.usage.cache not in ("response", "semantic")
    return reply


def test_an_answer_that_was_verified_is_served(cached: indwell.Engine) -> None:
    first = asked_first(cached)
    matches: List[indwell.SemanticMatch] = []

    def verify(match: indwell.SemanticMatch) -> bool:
        matches.append(match)
        return True

    semantic = indwell.Semantic(0.1, letters, verify)
    before = cached.caches().response
    reply = ask(cached, SIMILAR + " Yes?", semantic=semantic)
    assert (reply.text, reply.finish_reason) == (first.text, first.finish_reason)
    assert reply.usage.cache == "semantic"
    assert reply.usage.cached_tokens == reply.usage.prompt_tokens
    assert reply.usage.completion_tokens == first.usage.completion_tokens
    distance = reply.usage.semantic_distance
    assert distance is not None and 0.0 < distance <= 0.1
    assert matches == [indwell.SemanticMatch(SIMILAR + " Yes?", ASKED, first.text, distance)]
    assert cached.caches().response.semantic_hits == before.semantic_hits + 1
    stored = ask(cached, SIMILAR, semantic=semantic, cache="only_if_cached")
    assert stored.usage.cache == "semantic"


def test_the_same_question_asks_nobody(cached: indwell.Engine) -> None:
    asked_first(cached)

    def never(_: object) -> Any:
        pytest.fail("the stored answer was there")

    reply = ask(cached, ASKED, semantic=indwell.Semantic(0.1, never, never))
    assert (reply.usage.cache, reply.usage.semantic_distance) == ("response", None)


async def test_it_is_served_in_every_form(cached: indwell.Engine) -> None:
    first = asked_first(cached)
    semantic = indwell.Semantic(0.1, letters, agree)
    options: Dict[str, Any] = {"max_tokens": 8, "semantic": semantic}
    events = list(cached.complete(SIMILAR, stream=True, **options))
    awaited = await cached.acomplete(SIMILAR, **options)
    last = [event async for event in cached.acomplete(SIMILAR, stream=True, **options)][-1]
    assert isinstance(events[-1], indwell.Finished) and isinstance(last, indwell.Finished)
    for usage in (events[-1].usage, awaited.usage, last.usage):
        assert usage.cache == "semantic"
    assert awaited.text == first.text
    assert "".join(event.text for event in events if event.type == "text") == first.text


def test_a_chat_is_seen_as_its_messages(cached: indwell.Engine) -> None:
    embedded: List[str] = []

    def embed(text: str) -> List[float]:
        embedded.append(text)
        return letters(text)

    semantic = indwell.Semantic(0.1, embed, agree)
    messages = [indwell.Message("system", "Be brief."), indwell.Message("user", "Hello")]
    cached.chat(messages, max_tokens=4, semantic=semantic)
    messages[1] = indwell.Message("user", "Hello!")
    assert cached.chat(messages, max_tokens=4, semantic=semantic).usage.cache == "semantic"
    assert embedded == ["system: Be brief.\nuser: Hello", "system: Be brief.\nuser: Hello!"]


def test_what_is_declined_too_far_or_anothers_is_computed(cached: indwell.Engine) -> None:
    asked_first(cached)
    near = indwell.Semantic(0.1, letters, agree)
    cases: List[Dict[str, Any]] = [
        {"semantic": indwell.Semantic(0.1, letters, lambda match: False)},
        {"semantic": near, "prompt": "Why is the sky blue?"},
        {"semantic": near, "cache_salt": "tenant"},
        {"semantic": near, "max_tokens": 9},
        {"semantic": near, "cache": "bypass"},
        {"semantic": near, "cache": "refresh"},
        {"semantic": near, "temperature": 1.0},
        {"semantic": None},
    ]
    for options in cases:
        reply = ask(cached, **{"prompt": SIMILAR, **options})
        assert reply.usage.cache not in ("response", "semantic"), options
        assert reply.usage.semantic_distance is None
        # The next case is not to find this one's answer.
        cached.invalidate_responses()
        asked_first(cached)
    assert ask(cached, SIMILAR, semantic=near).usage.cache == "semantic"
    cached.invalidate_responses()
    asked_first(cached)
    with pytest.raises(indwell.NotCachedError):
        declined = indwell.Semantic(0.1, letters, lambda match: False)
        ask(cached, SIMILAR, semantic=declined, cache="only_if_cached")


class Scalar:
    """A number of another library."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value


@pytest.mark.parametrize(
    "convert",
    [
        tuple,
        iter,
        lambda vector: array.array("f", vector),
        lambda vector: array.array("d", vector),
        lambda vector: memoryview(array.array("f", vector)),
        lambda vector: [int(value) for value in vector],
        lambda vector: [Scalar(value) for value in vector],
    ],
    ids=["tuple", "iterator", "floats", "doubles", "memoryview", "ints", "scalars"],
)
def test_a_vector_is_anything_that_yields_floats(
    cached: indwell.Engine, convert: Callable[[List[float]], Any]
) -> None:
    asked_first(cached)
    semantic = indwell.Semantic(0.1, lambda prompt: convert(letters(prompt)), agree)
    assert ask(cached, SIMILAR, semantic=semantic).usage.cache == "semantic"


def raises(_: object) -> Any:
    raise KeyError("what went wrong")


def leaves(_: object) -> Any:
    raise SystemExit(3)


async def is_async(_: object) -> Any:
    return True


FAULTS: Dict[str, Any] = {
    "embed raises": ((raises, agree), "KeyError: 'what went wrong'"),
    "embed leaves": ((leaves, agree), "SystemExit: 3"),
    "embed is async": ((is_async, agree), "embed returned a coroutine"),
    "embed gives None": ((lambda prompt: None, agree), "embed returned a NoneType, not a vector"),
    "embed gives text": ((lambda prompt: prompt, agree), "embed returned a str, not a vector"),
    "embed gives bytes": ((lambda prompt: b"abcd", agree), "embed returned a bytes, not a vector"),
    "embed gives rows": ((lambda prompt: [letters(prompt)], agree), "must be real number"),
    "verify raises": ((letters, raises), "KeyError: 'what went wrong'"),
    "verify leaves": ((letters, leaves), "SystemExit: 3"),
    "verify is async": ((letters, is_async), "verify returned a coroutine"),
    "verify gives None": ((letters, lambda match: None), "verify returned None, not a bool"),
    "verify gives text": ((letters, lambda match: "no"), "verify returned 'no', not a bool"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_function_that_fails_is_logged_and_the_request_computed(
    cached: indwell.Engine, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (embed, verify), told = FAULTS[name]
    first = asked_first(cached)
    alone = ask(cached, SIMILAR, cache="bypass")
    with caplog.at_level(logging.WARNING, logger="indwell"):
        reply = ask(cached, SIMILAR, semantic=indwell.Semantic(0.1, embed, verify))
        assert reply.usage.cache not in ("response", "semantic")
        assert reply.text == alone.text
        # The call is answered first, and logged after that.
        wait_until(lambda: len(caplog.records) > 0)
    assert told in caplog.text
    assert [record.name for record in caplog.records] == ["indwell"]
    assert ask(cached, ASKED).text == first.text


@pytest.mark.parametrize(
    "vector",
    [[], [0.0] * 26, [float("nan")] * 26, [1e300] * 26, [1.0] * 25],
    ids=["empty", "zero", "nan", "too large", "shorter"],
)
def test_a_vector_that_is_none_is_computed(cached: indwell.Engine, vector: List[float]) -> None:
    asked_first(cached)
    semantic = indwell.Semantic(2.0, lambda prompt: vector, agree)
    assert ask(cached, SIMILAR, semantic=semantic).usage.cache not in ("response", "semantic")


@pytest.mark.parametrize("which", ["embed", "verify"])
def test_a_function_that_hangs_is_given_up(cached: indwell.Engine, which: str) -> None:
    asked_first(cached)
    released = threading.Event()
    ended = threading.Event()

    def hang(_: object) -> Any:
        released.wait()
        ended.set()
        return True

    embed, verify = (hang, agree) if which == "embed" else (letters, hang)
    semantic = indwell.Semantic(0.1, embed, verify, timeout_ms=50)
    try:
        reply = ask(cached, SIMILAR, semantic=semantic)
        assert reply.usage.cache not in ("response", "semantic")
        assert not ended.is_set()
    finally:
        released.set()
    assert ended.wait(60)


def test_a_verifier_may_ask_the_same_engine(cached: indwell.Engine) -> None:
    asked_first(cached)

    def verify(match: indwell.SemanticMatch) -> bool:
        question = f"Are these the same? {match.asked} {match.found}"
        return ask(cached, question, max_tokens=1).usage.completion_tokens == 1

    semantic = indwell.Semantic(0.1, letters, verify, timeout_ms=60_000)
    assert ask(cached, SIMILAR, semantic=semantic).usage.cache == "semantic"


async def test_many_tasks_ask_at_once(cached: indwell.Engine) -> None:
    await asyncio.to_thread(asked_first, cached)
    semantic = indwell.Semantic(0.1, letters, agree, timeout_ms=60_000)
    prompts = [SIMILAR + "?" * number for number in range(48)]
    replies = await asyncio.gather(
        *(cached.acomplete(prompt, max_tokens=8, semantic=semantic) for prompt in prompts)
    )
    assert [reply.usage.cache for reply in replies] == ["semantic"] * 48


def test_the_functions_are_let_go(cached: indwell.Engine) -> None:
    class Embedder:
        def __call__(self, prompt: str) -> List[float]:
            return letters(prompt)

    embed = Embedder()
    let_go = weakref.ref(embed)
    semantic = indwell.Semantic(0.1, embed, agree)
    for prompt in (ASKED, SIMILAR, ASKED):
        ask(cached, prompt, semantic=semantic)
    with cached.complete("Another one.", stream=True, max_tokens=400, semantic=semantic):
        pass
    del embed, semantic

    def is_let_go() -> bool:
        # What other threads gave back is dropped when Python next calls the engine.
        cached.stats()
        gc.collect()
        return let_go() is None

    wait_until(is_let_go)


@pytest.mark.parametrize(
    ("semantic", "told"),
    [
        (True, "bool True"),
        ("0.1", "str '0.1'"),
        ({"distance_max": 0.1}, "dict"),
        (indwell.Semantic(-0.1, letters, agree), "distance_max"),
        (indwell.Semantic(2.1, letters, agree), "distance_max"),
        (indwell.Semantic(float("nan"), letters, agree), "distance_max"),
        (indwell.Semantic("near", letters, agree), "distance_max='near'"),  # type: ignore[arg-type]
        (indwell.Semantic(0.1, None, agree), "embed=None"),  # type: ignore[arg-type]
        (indwell.Semantic(0.1, letters, "yes"), "verify='yes'"),  # type: ignore[arg-type]
        (indwell.Semantic(0.1, letters, agree, 0), "timeout"),
        (indwell.Semantic(0.1, letters, agree, -1), "timeout_ms=-1"),
        (indwell.Semantic(0.1, letters, agree, float("nan")), "timeout_ms=nan"),
        (indwell.Semantic(0.1, letters, agree, float("inf")), "timeout_ms=inf"),
    ],
    ids=lambda part: part if isinstance(part, str) else None,
)
def test_a_semantic_that_is_wrong_is_refused(
    cached: indwell.Engine, semantic: Any, told: str
) -> None:
    for call in (cached.complete, cached.chat):
        with pytest.raises(indwell.InvalidRequestError) as caught:
            call("Hello", semantic=semantic)
        assert caught.value.field == "semantic"
        assert told in (caught.value.value or "")
        assert caught.value.limit and caught.value.remedy
