"""OpenAI's API in the process: `dispatch`, and what httpx makes of it."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any, Dict, List

import httpx
import indwell
import pytest
from child import run_python
from indwell.httpx import AsyncTransport, Transport
from prompts import ENDLESS, of_words
from waiting import wait_until

CHAT = "/v1/chat/completions"
COMPLETE = "/v1/completions"


def body(**fields: Any) -> bytes:
    return json.dumps({"max_tokens": 8, "temperature": 0, **fields}).encode()


def hello(**fields: Any) -> bytes:
    return body(messages=[{"role": "user", "content": "Hello"}], **fields)


def events(text: bytes) -> List[Dict[str, Any]]:
    *frames, done = [frame for frame in text.decode().split("\n\n") if frame]
    assert done == "data: [DONE]"
    return [json.loads(frame[len("data: ") :]) for frame in frames]


def test_a_request_is_answered(engine: indwell.Engine) -> None:
    with engine.dispatch("POST", CHAT, hello()) as response:
        assert response.status == 200
        assert dict(response.headers)["content-type"].startswith("application/json")
        answer = json.loads(response.read())
    assert answer["choices"][0]["message"]["role"] == "assistant"
    listed = json.loads(engine.dispatch("GET", "/v1/models").read())
    assert listed["object"] == "list" and len(listed["data"]) == 1


def test_a_body_may_be_text_or_bytes(engine: indwell.Engine) -> None:
    for given in (hello(), bytearray(hello()), hello().decode()):
        assert engine.dispatch("POST", "/chat/completions", given).status == 200
    wrong: Any
    for wrong in (None, 7, {"messages": []}, ["x"]):
        with pytest.raises(indwell.InvalidRequestError) as caught:
            engine.dispatch("POST", CHAT, wrong)
        assert caught.value.field == "body"


def test_a_stream_comes_in_pieces(engine: indwell.Engine) -> None:
    response = engine.dispatch("POST", COMPLETE, body(prompt=ENDLESS, stream=True, max_tokens=16))
    assert dict(response.headers)["content-type"].startswith("text/event-stream")
    pieces = list(response)
    assert len(pieces) > 2
    texts = [choice["text"] for event in events(b"".join(pieces)) for choice in event["choices"]]
    plain = engine.dispatch("POST", COMPLETE, body(prompt=ENDLESS, max_tokens=16))
    whole = json.loads(plain.read())
    assert "".join(texts) == whole["choices"][0]["text"]
    assert list(response) == []


def test_what_is_wrong_is_an_answer_too(engine: indwell.Engine) -> None:
    for method, path, given, status in [
        ("GET", "/v1/nothing", b"", 404),
        ("GET", CHAT, b"", 405),
        ("POST", CHAT, b"{", 400),
        ("POST", CHAT, b"\xff", 400),
        ("POST", CHAT, hello(temperature=-1), 400),
        ("POST", CHAT, hello(model="gpt-5"), 404),
        ("POST", COMPLETE, body(prompt=of_words(20_000)), 400),
        ("POST", "/v1/embeddings", b'{"input": "Hello"}', 400),
    ]:
        response = engine.dispatch(method, path, given)
        assert response.status == status, (path, given[:40])
        error = json.loads(response.read())["error"]
        assert error["message"] and error["type"]


def test_closing_an_answer_cancels_its_request(engine: indwell.Engine) -> None:
    for leave in (indwell.HttpResponse.close, lambda response: None):
        before = engine.stats().requests_cancelled
        asked = body(prompt=ENDLESS, stream=True, max_tokens=500)
        response = engine.dispatch("POST", COMPLETE, asked)
        next(response)
        leave(response)
        # A dropped one is cancelled as one that is closed.
        del response
        wait_until(lambda: engine.stats().requests_cancelled == before + 1)


def test_one_thread_reads_an_answer_at_a_time(engine: indwell.Engine) -> None:
    response = engine.dispatch("POST", COMPLETE, body(prompt=ENDLESS, stream=True, max_tokens=200))
    reader = threading.Thread(target=lambda: list(response))
    reader.start()
    refused = False
    while reader.is_alive() and not refused:
        try:
            next(response, None)
        except RuntimeError as error:
            refused = "another thread" in str(error)
    response.close()
    reader.join()
    assert refused


async def test_asyncio_is_answered_too(engine: indwell.Engine) -> None:
    async with await engine.adispatch("POST", CHAT, hello()) as response:
        assert response.status == 200
        assert json.loads(await response.read())["choices"]
    streamed = await engine.adispatch("POST", COMPLETE, body(prompt=ENDLESS, stream=True))
    assert events(b"".join([piece async for piece in streamed]))
    # Long enough to be sent from a thread.
    long = await engine.adispatch("POST", COMPLETE, body(prompt=of_words(850), max_tokens=1))
    assert long.status == 200


async def test_cancelling_a_task_cancels_its_request(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    waiting = asyncio.create_task(
        engine.adispatch("POST", COMPLETE, body(prompt=ENDLESS, max_tokens=500))
    )
    while engine.stats().requests_running == 0:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


def test_httpx_sends_to_the_engine(engine: indwell.Engine) -> None:
    with engine.httpx_client(base_url="http://indwell/v1") as client:
        assert client.get("/models").json()["data"]
        answer = client.post("/chat/completions", content=hello())
        assert answer.status_code == 200 and answer.json()["choices"]
        with client.stream(
            "POST", "/completions", content=body(prompt=ENDLESS, stream=True)
        ) as streamed:
            assert events(b"".join(streamed.iter_bytes()))
    # The client is closed, and the engine is not.
    assert not engine.closed
    with httpx.Client(transport=Transport(engine)) as client:
        assert client.get("http://anywhere/v1/models/nothing").status_code == 404


async def test_httpx_sends_to_the_engine_on_asyncio(engine: indwell.Engine) -> None:
    async with engine.httpx_async_client(base_url="http://indwell/v1") as client:
        answers = await asyncio.gather(
            *(client.post("/chat/completions", content=hello()) for _ in range(4))
        )
        assert [answer.status_code for answer in answers] == [200] * 4
        async with client.stream(
            "POST", "/completions", content=body(prompt=ENDLESS, stream=True)
        ) as streamed:
            assert events(b"".join([piece async for piece in streamed.aiter_bytes()]))
    async with httpx.AsyncClient(transport=AsyncTransport(engine)) as client:
        assert (await client.get("http://anywhere/v1/models")).status_code == 200


def test_a_read_timeout_of_httpx_cancels_the_request(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    given = body(prompt=of_words(4000), max_tokens=100)
    with engine.httpx_client(timeout=httpx.Timeout(10.0, read=0.02)) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("http://indwell/v1/completions", content=given)
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


async def test_a_read_timeout_of_httpx_cancels_on_asyncio_too(engine: indwell.Engine) -> None:
    before = engine.stats().requests_cancelled
    given = body(prompt=of_words(4000), max_tokens=100)
    async with engine.httpx_async_client(timeout=httpx.Timeout(10.0, read=0.02)) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("http://indwell/v1/completions", content=given)
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


def test_the_counters_are_told_to_prometheus(engine: indwell.Engine) -> None:
    engine.complete("1 2 3", max_tokens=2)
    text = engine.metrics_text()
    assert "# TYPE indwell:" in text
    for line in text.splitlines():
        if line and not line.startswith("#"):
            assert float(line.rsplit(" ", 1)[1]) >= 0, line


def test_without_httpx_the_error_says_so() -> None:
    ended = run_python(
        """
        sys.modules["httpx"] = None
        engine = indwell.Engine(MODEL, context_tokens=512)
        for client in (engine.httpx_client, engine.httpx_async_client):
            try:
                client()
            except ImportError as error:
                assert "pip install httpx" in str(error), error
                print("told")
        print(engine.dispatch("GET", "/v1/models").status)
        """
    )
    assert (ended.exit_code, ended.stderr) == (0, ""), ended
    assert ended.stdout.split() == ["told", "told", "200"]
