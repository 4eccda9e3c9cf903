"""LangChain's ChatOpenAI, unchanged, on an engine in the process."""

from __future__ import annotations

from typing import Any

import indwell
import pytest
from forms import ASKED, KEY, SHORT, City, Weather
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr


@tool
def weather(city: str, unit: str) -> str:
    """Looks up the weather of a city."""
    return f"Rain in {city}, 7 degrees {unit}."


@pytest.fixture
def chat(engine: indwell.Engine, name: str) -> ChatOpenAI:
    return ChatOpenAI(
        model=name,
        api_key=SecretStr(KEY),
        http_client=engine.httpx_client(),
        http_async_client=engine.httpx_async_client(),
        temperature=0,
        max_tokens=SHORT,
        max_retries=0,
    )


def longer(chat: ChatOpenAI) -> ChatOpenAI:
    """With room for an answer that is held to a form."""
    return chat.model_copy(update={"max_tokens": 100})


def test_a_conversation_is_answered(chat: ChatOpenAI) -> None:
    said = chat.invoke([SystemMessage("Be brief."), HumanMessage("What is the capital of France?")])
    assert isinstance(said, AIMessage) and said.content
    assert said.usage_metadata is not None and said.usage_metadata["output_tokens"] <= SHORT
    assert said.response_metadata["finish_reason"] in ("stop", "length")


def test_a_stream_adds_up_to_the_answer(chat: ChatOpenAI) -> None:
    question = "What is the capital of France?"
    pieces = list(chat.stream(question))
    assert "".join(str(piece.content) for piece in pieces) == chat.invoke(question).content
    assert sum(bool(piece.content) for piece in pieces) > 2


async def test_it_runs_on_asyncio(chat: ChatOpenAI) -> None:
    question = "What is the capital of France?"
    said = await chat.ainvoke(question)
    pieces = [str(piece.content) async for piece in chat.astream(question)]
    assert "".join(pieces) == said.content
    assert len(await chat.abatch([question, "Say hello."])) == 2


def test_a_batch_is_answered_together(chat: ChatOpenAI, engine: indwell.Engine) -> None:
    before = engine.stats()
    said = chat.batch([f"Name a word with {letter}." for letter in "abcdef"])
    after = engine.stats()
    assert len(said) == 6 and all(message.content for message in said)
    tokens = after.completion_tokens - before.completion_tokens
    assert after.steps - before.steps < tokens


def test_a_chain_of_prompt_and_model_runs(chat: ChatOpenAI) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    assert (prompt | chat).invoke({"question": "What is the capital of France?"}).content


def test_a_bound_tool_is_called_and_its_result_read(chat: ChatOpenAI) -> None:
    bound = longer(chat).bind_tools(
        [weather], tool_choice="required", parallel_tool_calls=False
    )
    said = bound.invoke(ASKED)
    assert isinstance(said, AIMessage) and said.tool_calls and not said.invalid_tool_calls
    results = [weather.invoke(call) for call in said.tool_calls]
    assert all(isinstance(result, ToolMessage) for result in results)
    told = chat.invoke([HumanMessage(ASKED), said, *results])
    assert told.content


def test_a_bound_tool_is_called_in_a_stream(chat: ChatOpenAI) -> None:
    bound = longer(chat).bind_tools(
        [Weather], tool_choice="Weather", parallel_tool_calls=False
    )
    whole: Any = None
    for piece in bound.stream(ASKED):
        whole = piece if whole is None else whole + piece
    [call] = whole.tool_calls
    assert call["name"] == "Weather"
    Weather.model_validate(call["args"])


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_an_answer_is_a_model(chat: ChatOpenAI, method: Any) -> None:
    structured = longer(chat).with_structured_output(City, method=method)
    assert isinstance(structured.invoke("Tell me of a city."), City)


async def test_an_answer_is_a_model_on_asyncio(chat: ChatOpenAI) -> None:
    structured = longer(chat).with_structured_output(City, method="json_schema")
    assert isinstance(await structured.ainvoke("Tell me of a city."), City)
