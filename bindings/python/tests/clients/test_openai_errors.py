"""What is wrong with a request, or goes wrong, as OpenAI's SDK raises it; and the engine goes on
serving.
"""

from __future__ import annotations

from typing import Any, Dict

import httpx
import indwell
import openai
import pytest
from forms import KEY, SHORT, WEATHER
from openai import OpenAI
from prompts import ENDLESS, of_words
from waiting import wait_until

HELLO: Dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"top_p": 7}, "top_p"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [str(number) for number in range(10_000)]}, "stop"),
        ({"logit_bias": {"99999999": 1}}, "logit_bias"),
        ({"extra_body": {"mood": "good"}}, "mood"),
        ({"extra_body": {"json_schema": {"$ref": "https://example.com/x.json"}}}, "json_schema"),
        ({"extra_body": {"regex": "("}}, "regex"),
        ({"extra_body": {"regex": "a", "choice": ["a"]}}, None),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hello"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0].type"),
        ({"tools": [{**WEATHER, "function": {"name": "odd name!"}}]}, None),
        ({"tool_choice": "auto"}, "tool_choice"),
    ],
    ids=lambda part: repr(part)[:48],
)
def test_a_wrong_request_is_a_bad_request(
    client: OpenAI, name: str, wrong: Dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=name, **{**HELLO, **wrong})
    error = caught.value
    assert error.status_code == 400 and error.type == "invalid_request_error"
    assert error.message and error.code
    if param is not None:
        assert error.param == param
    assert client.chat.completions.create(model=name, **HELLO).choices


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-5", **HELLO)
    assert caught.value.code == "model_not_found"


def test_a_long_conversation_is_told_as_openai_does(client: OpenAI, name: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": of_words(20_000)}]
        )
    assert caught.value.code == "context_length_exceeded"


def test_embeddings_are_refused_by_a_model_of_text(client: OpenAI, name: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=name, input="Hello")
    assert caught.value.code == "unsupported"


def test_other_paths_are_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="x", input="Hello")


def test_a_full_queue_is_a_rate_limit_with_its_time(model: str) -> None:
    options: Any = {"context_tokens": 1024, "sequences_max": 1, "queue_requests_max": 1}
    with indwell.Engine(model, response_cache_bytes=0, **options) as engine:
        client = OpenAI(api_key=KEY, http_client=engine.httpx_client(), max_retries=0)
        name = engine.model.name
        running = client.completions.create(
            model=name, prompt=ENDLESS, max_tokens=300, temperature=0, stream=True
        )
        wait_until(lambda: engine.stats().requests_running == 1)
        with engine.complete(ENDLESS, max_tokens=300, stream=True):
            wait_until(lambda: engine.stats().requests_waiting == 1)
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(model=name, **HELLO)
        assert caught.value.status_code == 429
        assert int(caught.value.response.headers["retry-after"]) >= 1
        running.close()
        # And the client tries again by itself, where it may.
        patient = client.with_options(max_retries=10)
        assert patient.chat.completions.create(model=name, **HELLO).choices


def test_a_timeout_of_the_client_cancels_the_request(
    engine: indwell.Engine, local: OpenAI, name: str
) -> None:
    before = engine.stats().requests_cancelled
    with pytest.raises(openai.APITimeoutError):
        local.with_options(timeout=0.05).completions.create(
            model=name, prompt=of_words(4000), max_tokens=500
        )
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


def test_a_timeout_bounds_each_piece_of_a_stream(
    engine: indwell.Engine, local: OpenAI, name: str
) -> None:
    timeout = httpx.Timeout(60.0, read=60.0)
    stream = local.with_options(timeout=timeout).completions.create(
        model=name, prompt=ENDLESS, max_tokens=SHORT, temperature=0, stream=True
    )
    assert len([chunk for chunk in stream if chunk.choices]) > 1


def test_a_deadline_of_the_request_is_told_by_its_status(local: OpenAI, name: str) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        local.completions.create(
            model=name, prompt=of_words(4000), max_tokens=100, extra_body={"timeout_ms": 20}
        )
    assert caught.value.status_code == 504


def test_a_stream_that_is_closed_cancels_its_request(
    engine: indwell.Engine, local: OpenAI, name: str
) -> None:
    before = engine.stats().requests_cancelled
    with local.completions.create(
        model=name, prompt=ENDLESS, max_tokens=500, temperature=0, stream=True
    ) as stream:
        next(stream)
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


def test_a_closed_engine_is_unavailable(model: str) -> None:
    engine = indwell.Engine(model, context_tokens=512)
    client = OpenAI(api_key=KEY, http_client=engine.httpx_client(), max_retries=0)
    engine.close()
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=engine.model.name, **HELLO)
    assert caught.value.status_code == 503 and caught.value.code == "engine_closed"
