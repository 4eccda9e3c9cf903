"""Several answers to one request, and log-probabilities of answers and prompts."""

from __future__ import annotations

from typing import Dict, List

import indwell
import pytest


def test_several_answers_are_alternatives(engine: indwell.Engine) -> None:
    reply = engine.complete("Once upon a time", n=3, temperature=1.0, seed=5, max_tokens=8)
    assert len(reply.alternatives) == 2
    texts = [reply.text, *(choice.text for choice in reply.alternatives)]
    assert all(texts) and len(set(texts)) > 1
    assert reply.usage.completion_tokens <= 24
    assert reply.alternatives[0].message.content == reply.alternatives[0].text


def test_several_answers_stream_beside_each_other(engine: indwell.Engine) -> None:
    texts: Dict[int, str] = {}
    ended: List[int] = []
    with engine.complete(
        "Once upon a time", n=3, temperature=1.0, seed=5, max_tokens=8, stream=True
    ) as stream:
        for event in stream:
            if event.type == "text":
                texts[event.choice] = texts.get(event.choice, "") + event.text
            elif event.type == "choice_finished":
                ended.append(event.choice)
    assert event.type == "finished"
    assert sorted(texts) == sorted(ended) == [0, 1, 2]
    assert all(texts.values()) and len(set(texts.values())) > 1


def test_the_best_are_told_first(engine: indwell.Engine) -> None:
    reply = engine.complete(
        "Once upon a time", n=2, best_of=4, temperature=1.0, seed=5, max_tokens=8, logprobs=True
    )
    told = [reply.logprobs, *(choice.logprobs for choice in reply.alternatives)]
    means = [sum(entry.logprob for entry in entries) / len(entries) for entries in told]
    assert len(means) == 2 and means == sorted(means, reverse=True)


def test_the_likeliest_tokens_are_told(engine: indwell.Engine) -> None:
    reply = engine.complete("1 2 3 4", max_tokens=4, logprobs=True, top_logprobs=3)
    for entry in reply.logprobs:
        assert len(entry.top) == 3
        assert [top.logprob for top in entry.top] == sorted(
            (top.logprob for top in entry.top), reverse=True
        )
        # Greedy: what was taken is the likeliest.
        assert entry.top[0].token == entry.token
        assert entry.top[0].logprob == pytest.approx(entry.logprob, abs=1e-4)


def test_the_prompt_s_tokens_are_told(engine: indwell.Engine) -> None:
    asked = dict(max_tokens=2, prompt_logprobs=True, logprobs=True, top_logprobs=2)
    reply = engine.complete("1 2 3 4 5", **asked)  # type: ignore[call-overload]
    prompt = reply.prompt_logprobs
    assert len(prompt) == reply.usage.prompt_tokens
    assert prompt[0].logprob is None
    assert all(entry.logprob is not None and entry.logprob <= 0 for entry in prompt[1:])
    first = next(engine.complete("1 2 3 4 5", stream=True, **asked))  # type: ignore[call-overload]
    assert first.type == "prompt_logprobs"
    assert [entry.token for entry in first.tokens] == [entry.token for entry in prompt]
