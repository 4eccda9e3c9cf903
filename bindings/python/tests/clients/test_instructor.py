"""instructor, unchanged, over OpenAI's SDK on an engine in the process."""

from __future__ import annotations

from typing import Any

import indwell
import instructor
import pytest
from forms import KEY, City
from openai import AsyncOpenAI, OpenAI

ASKED: Any = {
    "messages": [{"role": "user", "content": "Tell me of a city."}],
    "response_model": City,
    "temperature": 0,
    "max_tokens": 100,
    "max_retries": 0,
}

MODES = [instructor.Mode.JSON_SCHEMA, instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_an_answer_is_a_model(local: OpenAI, name: str, mode: instructor.Mode) -> None:
    client = instructor.from_openai(local, mode=mode)
    # A small model would go on calling, and OpenAI's API takes no word on it without tools.
    one = {} if mode is instructor.Mode.JSON_SCHEMA else {"parallel_tool_calls": False}
    assert isinstance(client.chat.completions.create(model=name, **ASKED, **one), City)


async def test_an_answer_is_a_model_on_asyncio(engine: indwell.Engine, name: str) -> None:
    async with AsyncOpenAI(api_key=KEY, http_client=engine.httpx_async_client()) as inner:
        client = instructor.from_openai(inner, mode=instructor.Mode.JSON_SCHEMA)
        assert isinstance(await client.chat.completions.create(model=name, **ASKED), City)


def test_a_model_is_streamed_in_parts(local: OpenAI, name: str) -> None:
    client = instructor.from_openai(local, mode=instructor.Mode.JSON_SCHEMA)
    *_, last = client.chat.completions.create_partial(model=name, **ASKED)
    City.model_validate(last.model_dump())
