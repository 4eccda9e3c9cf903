"""OpenAI's SDK for asyncio, on an engine in the process: streams, cancellation, many at once."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Dict, List

import indwell
import openai
import pytest
from forms import ASKED, KEY, SHORT, City, Weather
from openai import AsyncOpenAI
from prompts import ENDLESS, of_words
from waiting import wait_until

HELLO: Dict[str, Any] = {
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": SHORT,
    "temperature": 0,
}


@pytest.fixture
async def client(engine: indwell.Engine) -> AsyncIterator[AsyncOpenAI]:
    http_client = engine.httpx_async_client()
    async with AsyncOpenAI(api_key=KEY, http_client=http_client, max_retries=0) as client:
        yield client


async def test_many_chats_are_answered_at_once(
    engine: indwell.Engine, client: AsyncOpenAI, name: str
) -> None:
    before = engine.stats()
    done = await asyncio.gather(
        *(
            client.completions.create(
                model=name, prompt=f"{n} {n + 1} {n + 2}", max_tokens=SHORT, temperature=0
            )
            for n in range(10, 90, 10)
        )
    )
    after = engine.stats()
    assert all(completion.choices[0].text for completion in done)
    # Batched: far fewer steps than tokens.
    tokens = after.completion_tokens - before.completion_tokens
    assert after.steps - before.steps < tokens


async def test_a_stream_adds_up_to_the_answer(client: AsyncOpenAI, name: str) -> None:
    whole = await client.chat.completions.create(model=name, **HELLO)
    pieces: List[str] = []
    async for chunk in await client.chat.completions.create(model=name, stream=True, **HELLO):
        pieces += [choice.delta.content or "" for choice in chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content and len(pieces) > 2


async def test_calls_and_forms_are_parsed(client: AsyncOpenAI, name: str) -> None:
    called, told = await asyncio.gather(
        client.chat.completions.parse(
            model=name,
            messages=[{"role": "user", "content": ASKED}],
            tools=[openai.pydantic_function_tool(Weather)],
            tool_choice="required",
            parallel_tool_calls=False,
            temperature=0,
            max_tokens=100,
        ),
        client.chat.completions.parse(
            model=name,
            messages=[{"role": "user", "content": "Tell me of a city."}],
            response_format=City,
            temperature=0,
            max_tokens=100,
        ),
    )
    calls = called.choices[0].message.tool_calls
    assert calls and isinstance(calls[0].function.parsed_arguments, Weather)
    assert isinstance(told.choices[0].message.parsed, City)


async def test_the_stream_helper_tells_calls(client: AsyncOpenAI, name: str) -> None:
    async with client.chat.completions.stream(
        model=name,
        messages=[{"role": "user", "content": ASKED}],
        tools=[openai.pydantic_function_tool(Weather)],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=100,
    ) as stream:
        async for _ in stream:
            pass
        done = await stream.get_final_completion()
    calls = done.choices[0].message.tool_calls
    assert calls
    Weather.model_validate_json(calls[0].function.arguments)


async def test_a_cancelled_task_cancels_its_request(
    engine: indwell.Engine, client: AsyncOpenAI, name: str
) -> None:
    before = engine.stats().requests_cancelled
    task = asyncio.create_task(
        client.completions.create(model=name, prompt=ENDLESS, max_tokens=500, temperature=0)
    )
    while engine.stats().requests_running == 0:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


async def test_leaving_a_stream_cancels_its_request(
    engine: indwell.Engine, client: AsyncOpenAI, name: str
) -> None:
    before = engine.stats().requests_cancelled
    stream = await client.completions.create(
        model=name, prompt=ENDLESS, max_tokens=500, temperature=0, stream=True
    )
    async with stream:
        await stream.__anext__()
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


async def test_a_timeout_cancels_the_request(
    engine: indwell.Engine, client: AsyncOpenAI, name: str
) -> None:
    before = engine.stats().requests_cancelled
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).completions.create(
            model=name, prompt=of_words(4000), max_tokens=500
        )
    wait_until(lambda: engine.stats().requests_cancelled == before + 1)


async def test_errors_are_the_sdk_s(client: AsyncOpenAI, name: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model=name, **{**HELLO, "temperature": -1})
    assert caught.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="gpt-5", **HELLO)


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    assert [entry.id async for entry in client.models.list()]
