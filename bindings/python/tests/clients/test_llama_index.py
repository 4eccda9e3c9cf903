"""LlamaIndex's OpenAILike, unchanged, on an engine in the process."""

from __future__ import annotations

import indwell
import pytest
from forms import ASKED, KEY, SHORT, City, Weather
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

QUESTION = [
    ChatMessage(role="system", content="Be brief."),
    ChatMessage(role="user", content="What is the capital of France?"),
]


def model_of(engine: indwell.Engine, max_tokens: int) -> OpenAILike:
    return OpenAILike(
        model=engine.model.name,
        api_key=KEY,
        api_base="http://indwell/v1",
        http_client=engine.httpx_client(),
        async_http_client=engine.httpx_async_client(),
        context_window=engine.model.context_tokens,
        is_chat_model=True,
        is_function_calling_model=True,
        should_use_structured_outputs=True,
        temperature=0,
        max_tokens=max_tokens,
        max_retries=0,
    )


@pytest.fixture
def llm(engine: indwell.Engine) -> OpenAILike:
    return model_of(engine, SHORT)


def test_a_conversation_is_answered(llm: OpenAILike) -> None:
    assert llm.chat(QUESTION).message.content
    assert llm.complete("The capital of France is").text


def test_a_stream_adds_up_to_the_answer(llm: OpenAILike) -> None:
    pieces = [piece.delta or "" for piece in llm.stream_chat(QUESTION)]
    assert "".join(pieces) == llm.chat(QUESTION).message.content
    assert "".join(piece.delta or "" for piece in llm.stream_complete("1 2 3"))


async def test_it_runs_on_asyncio(llm: OpenAILike) -> None:
    said = (await llm.achat(QUESTION)).message.content
    pieces = [piece.delta or "" async for piece in await llm.astream_chat(QUESTION)]
    assert "".join(pieces) == said


def test_a_tool_is_called(engine: indwell.Engine) -> None:
    def weather(city: str, unit: str) -> str:
        """Looks up the weather of a city."""
        return f"Rain in {city}, 7 degrees {unit}."

    llm = model_of(engine, 100)
    tool = FunctionTool.from_defaults(weather, fn_schema=Weather)
    said = llm.chat_with_tools([tool], user_msg=ASKED, tool_required=True)
    calls = llm.get_tool_calls_from_response(said)
    assert calls and calls[0].tool_name == "weather"
    Weather.model_validate(calls[0].tool_kwargs)
    assert "Rain" in str(tool.call(**calls[0].tool_kwargs))


def test_an_answer_is_a_model(engine: indwell.Engine) -> None:
    structured = model_of(engine, 100).as_structured_llm(City)
    said = structured.chat([ChatMessage(role="user", content="Tell me of a city.")])
    assert isinstance(said.raw, City)
