"""Bad input: a typed error that names the field, the value, the limit and the remedy, and the
engine goes on serving.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Dict

import indwell
import pytest
from prompts import of_words


def assert_named(error: indwell.Error, field: str) -> None:
    assert error.field == field
    for part in (error.message, error.value, error.limit, error.remedy):
        assert part, vars(error)
    assert str(error) == error.message


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", -1),
        ("max_tokens", 1.5),
        ("max_tokens", "ten"),
        ("max_tokens", True),
        ("max_tokens", 2**63),
        pytest.param("max_tokens", 10**5000, id="max_tokens-too long to print"),
        ("max_tokens", b"10"),
        pytest.param("max_tokens", object(), id="max_tokens-object"),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("temperature", -0.5),
        ("temperature", "hot"),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("top_p", float("nan")),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("seed", -1),
        ("seed", 2**32 - 1),
        ("stop", ""),
        ("stop", ["fine", ""]),
        ("stop", [str(number) for number in range(65)]),
        ("stop", [str(number) for number in range(10_000)]),
        ("stop", 7),
        ("stop", {"a": 1}),
        ("timeout_ms", 0),
        ("timeout_ms", -5),
        ("timeout_ms", float("nan")),
        ("logprobs", "yes"),
        ("cache", "always"),
        ("cache", True),
        ("cache_salt", ""),
        ("cache_ttl_ms", 0),
        ("cache_ttl_ms", -1),
        ("cache_ttl_ms", float("nan")),
        ("cache_ttl_ms", float("inf")),
        ("cache_ttl_ms", "long"),
        ("dynatemp_range", -1.0),
        ("typical_p", 0.0),
        ("top_n_sigma", "wide"),
        ("xtc_probability", 2.0),
        ("xtc_threshold", -0.1),
        ("dry_multiplier", -1.0),
        ("dry_allowed_length", -1),
        ("dry_sequence_breakers", [1]),
        ("repeat_penalty", 0.0),
        ("repeat_last_n", -5),
        ("presence_penalty", float("nan")),
        ("frequency_penalty", float("inf")),
        ("mirostat", 3),
        ("samplers", ["top_z"]),
        ("logit_bias", {"99999999": 1.0}),
        ("logit_bias", {"1": "much"}),
        ("logit_bias", [1, 2]),
        ("banned_strings", [""]),
        ("stop_tokens", [99999999]),
        ("stop_tokens", ["a"]),
        ("min_tokens", -1),
        ("ignore_eos", "no"),
        ("top_logprobs", 21),
        ("prompt_logprobs", 5.5),
        ("n", 0),
        ("n", 129),
        ("best_of", 0),
        ("temprature", 0.5),
        ("maxTokens", 5),
    ],
    ids=lambda part: repr(part)[:24],
)
def test_an_option_that_is_wrong_is_named(
    engine: indwell.Engine, option: str, value: object
) -> None:
    options: Dict[str, Any] = {option: value}
    for call in (engine.chat, engine.complete):
        with pytest.raises(indwell.InvalidRequestError) as caught:
            call("Hello", **options)
        assert_named(caught.value, option)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"n": 3, "best_of": 2}, "best_of"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens"),
        ({"ignore_eos": True, "min_tokens": 5}, "min_tokens"),
        ({"samplers": ["top_p"], "temperature": 0.5, "top_k": 5}, "top_k"),
        ({"mirostat": 2, "temperature": 1.0, "top_k": 5}, "top_k"),
        ({"mirostat": 2}, "temperature"),
    ],
    ids=lambda part: repr(part)[:48],
)
def test_options_that_contradict_each_other_are_named(
    engine: indwell.Engine, options: Dict[str, Any], field: str
) -> None:
    for call in (engine.chat, engine.complete):
        with pytest.raises(indwell.InvalidRequestError) as caught:
            call("Hello", **options)
        assert_named(caught.value, field)


def test_an_unknown_option_is_told_with_the_nearest_known_one(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.chat("Hello", max_token=3)  # type: ignore[call-overload]
    assert "max_tokens" in (caught.value.remedy or "")


def test_an_engine_option_that_is_wrong_is_named(model: str) -> None:
    options: Dict[str, Any]
    for options in (
        {"context_tokens": 0},
        {"sequences_max": -1},
        {"threads": "many"},
        {"flash_attention": 1},
        {"batch_tokens": None, "stream_capacity": 0},
        {"response_cache_bytes": -1},
        {"response_cache_bytes": "1 MB"},
        {"response_cache_ttl_ms": 0},
        {"response_cache_ttl_ms": -1},
        {"response_cache_ttl_ms": float("nan")},
        {"response_cache_dir": ""},
        {"response_cache_bytes": 0, "response_cache_dir": "answers"},
        {"chat_template": "{% for"},
        {"chat_template": 7},
        {"tool_parser": "none such"},
        {"reasoning_parser": "none such"},
        {"contexttokens": 512},
    ):
        with pytest.raises(indwell.InvalidRequestError) as caught:
            indwell.Engine(model, **options)
        assert_named(caught.value, list(options)[-1])


def test_an_empty_prompt_is_refused(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.complete("")
    assert_named(caught.value, "prompt")
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.chat([])
    assert_named(caught.value, "messages")


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        (None, "messages"),
        (7, "messages"),
        (b"Hello", "messages"),
        ({"role": "user", "content": "Hello"}, "messages"),
        (["Hello"], "messages[0]"),
        ([("user", "Hello")], "messages[0]"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"content": "Hello"}], "messages[0].role"),
        ([{"role": "user", "content": None}], "messages[0].content"),
        ([{"role": "user", "content": b"Hello"}], "messages[0].content"),
        ([{"role": 1, "content": "Hello"}], "messages[0].role"),
        ([{"role": "user", "content": ["Hello"]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        ([{"role": "user", "content": "Hello", "name": 7}], "messages[0].name"),
        ([{"role": "assistant", "content": None, "tool_calls": []}], "messages[0].content"),
        ([{"role": "user", "content": "x", "tool_calls": [{}]}], "messages[0].tool_calls"),
        ([{"role": "assistant", "tool_calls": [{"id": "a"}]}], "messages[0].tool_calls[0].name"),
        ([{"role": "assistant", "tool_calls": ["a"]}], "messages[0].tool_calls[0]"),
        ([{"role": "user", "content": "x", "tool_call_id": "a"}], "messages[0].tool_call_id"),
        (
            [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Hello", "mood": "ok"}],
            "messages[1].mood",
        ),
    ],
    ids=lambda part: repr(part)[:48],
)
def test_messages_that_are_wrong_are_named(
    engine: indwell.Engine, messages: Any, field: str
) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.chat(messages)
    assert_named(caught.value, field)


def test_a_role_that_nobody_has_is_named(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.chat([{"role": "narrator", "content": "Hello"}])
    assert "narrator" in (caught.value.value or "")
    assert "assistant" in (caught.value.limit or "")


@pytest.mark.parametrize("prompt", [None, 7, b"Hello", ["Hello"]], ids=repr)
def test_a_prompt_that_is_no_text_is_refused(engine: indwell.Engine, prompt: Any) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.complete(prompt)
    assert_named(caught.value, "prompt")


def test_text_that_is_no_utf_8_is_refused_where_it_stands(engine: indwell.Engine) -> None:
    lone = b"caf\xe9".decode("utf-8", "surrogateescape")
    for call in (
        lambda: engine.complete(lone),
        lambda: engine.chat(lone),
        lambda: engine.chat([{"role": "user", "content": lone}]),
        lambda: engine.complete("Hello", stop=[lone]),
        lambda: engine.complete("Hello", **{lone: 1}),  # type: ignore[call-overload]
    ):
        with pytest.raises(indwell.InvalidRequestError) as caught:
            call()
        assert "UTF-8" in (caught.value.limit or "")
        assert "udce9" in caught.value.message and "index 3" in caught.value.message
        assert caught.value.field


def test_a_prompt_longer_than_the_context_is_told_both_lengths(engine: indwell.Engine) -> None:
    for prompt in (of_words(20_000), "x" * 8_000_000):
        with pytest.raises(indwell.ContextOverflowError) as caught:
            engine.complete(prompt)
        error = caught.value
        assert error.value and error.limit and error.remedy
        assert str(engine.model.context_tokens - 1) in error.limit


def test_control_tokens_in_a_chat_are_only_for_complete(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.chat("Hello", parse_special=True)  # type: ignore[call-overload]
    assert_named(caught.value, "parse_special")


def test_a_missing_file_is_told_by_its_path(tmp_path: Path) -> None:
    missing = tmp_path / "missing.gguf"
    for model in (missing, str(missing)):
        with pytest.raises(indwell.ModelLoadError) as caught:
            indwell.Engine(model)
        assert_named(caught.value, "model")
        assert str(missing) in (caught.value.value or "")


def test_a_directory_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(indwell.ModelLoadError) as caught:
        indwell.Engine(tmp_path)
    assert_named(caught.value, "model")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"This is no model.\n" * 100,
        b"GGUF",
        b"GGUF" + struct.pack("<IQQ", 3, 10**12, 10**12),
    ],
    ids=["empty", "text", "magic", "absurd"],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(indwell.ModelLoadError) as caught:
        indwell.Engine(path)
    assert_named(caught.value, "model")


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.999])
def test_a_truncated_model_is_refused(engine: indwell.Engine, tmp_path: Path, share: float) -> None:
    whole = engine.model.path.read_bytes()
    path = tmp_path / "truncated.gguf"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(indwell.ModelLoadError) as caught:
        indwell.Engine(path)
    assert_named(caught.value, "model")


def test_an_unknown_alias_is_told_the_known_ones() -> None:
    with pytest.raises(indwell.ModelLoadError) as caught:
        indwell.Engine("smollm3-999b")
    assert_named(caught.value, "model")
    assert "smollm2-135m" in (caught.value.remedy or "")


@pytest.mark.parametrize("model", [None, 7, ["a"]], ids=repr)
def test_a_model_that_is_no_path_is_refused(model: Any) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        indwell.Engine(model)
    assert_named(caught.value, "model")


def test_a_path_that_is_no_utf_8_is_a_missing_file() -> None:
    with pytest.raises(indwell.ModelLoadError):
        indwell.Engine(b"/nowhere/caf\xe9.gguf".decode("utf-8", "surrogateescape"))


def test_numbers_of_other_libraries_are_numbers(engine: indwell.Engine) -> None:
    class Scalar:
        def __index__(self) -> int:
            return 3

    class Real:
        def __float__(self) -> float:
            return 0.0

    options: Dict[str, Any] = {"max_tokens": Scalar(), "temperature": Real()}
    assert engine.complete("1 2 3", **options).usage.completion_tokens == 3


def test_a_stream_that_is_refused_is_refused_at_once(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError):
        engine.chat("Hello", stream=True, max_tokens=0)


def test_a_deadline_ends_the_request(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.DeadlineExceededError) as caught:
        engine.complete(of_words(4000), timeout_ms=20)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.remedy
