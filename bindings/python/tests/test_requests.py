"""What blocking requests answer."""

from __future__ import annotations

import indwell
import pytest


def test_chat_answers_a_string(engine: indwell.Engine) -> None:
    reply = engine.chat("What is 2 + 2?", max_tokens=24)
    assert "4" in reply.text
    assert reply.finish_reason in ("stop", "length")


def test_messages_are_the_same_as_strings_dicts_and_objects(engine: indwell.Engine) -> None:
    # An answer that no rounding changes: the later ones find the prompt cached.
    text = "Name the capital of France."
    told = engine.chat(text, max_tokens=8).text
    assert engine.chat([{"role": "user", "content": text}], max_tokens=8).text == told
    assert engine.chat((indwell.Message("user", text),), max_tokens=8).text == told
    assert engine.chat(iter([indwell.Message("user", text)]), max_tokens=8).text == told


def test_a_conversation_has_all_three_roles(engine: indwell.Engine) -> None:
    reply = engine.chat(
        [
            {"role": "system", "content": "You answer in one word."},
            {"role": "user", "content": "What is the capital of France?"},
            {"role": "assistant", "content": "Paris."},
            {"role": "user", "content": "And of Italy?"},
        ],
        max_tokens=8,
    )
    assert reply.text


def test_complete_continues_the_prompt(engine: indwell.Engine) -> None:
    assert engine.complete("The capital of France is", max_tokens=4).text.startswith(" Paris")


def test_a_reply_says_what_it_took(engine: indwell.Engine) -> None:
    reply = engine.complete("1 2 3 4 5 6 7 8", max_tokens=8)
    assert reply.finish_reason == "length"
    assert reply.usage.completion_tokens == 8
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 8
    assert 0 < reply.timings.ttft_ms <= reply.timings.total_ms
    assert reply.timings.decode_ms > 0
    assert reply.decode_tokens_per_second > 0
    assert reply.logprobs == ()


def test_logprobs_come_one_a_token(engine: indwell.Engine) -> None:
    reply = engine.complete("The capital of France is", max_tokens=5, logprobs=True)
    assert len(reply.logprobs) == reply.usage.completion_tokens == 5
    assert all(entry.logprob <= 0.0 and entry.token >= 0 for entry in reply.logprobs)


def test_a_stop_string_ends_the_answer_before_itself(engine: indwell.Engine) -> None:
    for stop in ("5", ["5"], ("9", "5")):
        reply = engine.complete("1 2 3", max_tokens=32, stop=stop)
        assert reply.finish_reason == "stop"
        assert "5" not in reply.text
        assert "4" in reply.text


def test_the_same_seed_gives_the_same_text(engine: indwell.Engine) -> None:
    texts = {
        engine.complete("Once upon a time", max_tokens=12, temperature=1.0, seed=seed).text
        for seed in (7, 7, 7)
    }
    assert len(texts) == 1


def test_none_is_as_if_not_given(engine: indwell.Engine) -> None:
    plain = engine.complete("1 2 3", max_tokens=4).text
    assert (
        engine.complete("1 2 3", max_tokens=4, temperature=None, stop=None, seed=None).text == plain
    )


def test_text_beyond_ascii_goes_both_ways(engine: indwell.Engine) -> None:
    reply = engine.complete("日本の首都は東京です。フランスの首都は", max_tokens=12)
    assert reply.text.encode("utf-8")


def test_the_model_tells_of_itself(engine: indwell.Engine) -> None:
    model = engine.model
    assert model.path.is_file()
    assert model.parameters > 0 and model.size_bytes > 0 and model.vocabulary_size > 0
    assert 0 < model.context_tokens <= model.trained_context_tokens
    assert model.name in repr(engine) and "open" in repr(engine)


def test_stats_count_what_was_done(engine: indwell.Engine) -> None:
    before = engine.stats()
    usage = engine.complete("1 2 3 4 5 6", max_tokens=6).usage
    after = engine.stats()
    assert after.requests_finished == before.requests_finished + 1
    assert after.completion_tokens == before.completion_tokens + usage.completion_tokens
    assert after.steps > before.steps
    assert after.cells_total > 0


def test_devices_include_the_processor() -> None:
    assert any(device.kind == "cpu" for device in indwell.devices())


def test_records_cannot_be_changed(engine: indwell.Engine) -> None:
    reply = engine.complete("1 2 3", max_tokens=1)
    with pytest.raises(AttributeError):
        reply.text = "other"  # type: ignore[misc]
