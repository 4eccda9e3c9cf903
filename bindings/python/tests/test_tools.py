"""Tools: told of in every form, called in streams and replies, their results read."""

from __future__ import annotations

import json
from typing import Any, Dict, List

import indwell
import pytest

PARAMETERS: Dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"enum": ["Oslo", "Paris", "Rome"]},
        "unit": {"enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
WEATHER: Dict[str, Any] = {
    "name": "weather",
    "description": "Looks up the weather of a city.",
    "parameters": PARAMETERS,
}
#: A single call, and room for it: a small model would go on calling.
ONE: Any = {"parallel_tool_calls": False, "max_tokens": 100}
ASKED: List[Any] = [{"role": "user", "content": "What is the weather like in Oslo, in celsius?"}]


class Parameters:
    """A class that tells its schema as pydantic's models do."""

    @classmethod
    def model_json_schema(cls) -> Dict[str, Any]:
        return PARAMETERS


def check(arguments: str) -> None:
    called = json.loads(arguments)
    assert sorted(called) == ["city", "unit"]
    assert called["city"] in ("Oslo", "Paris", "Rome")
    assert called["unit"] in ("celsius", "fahrenheit")


@pytest.mark.parametrize(
    "tool",
    [WEATHER, {"type": "function", "function": WEATHER}, {**WEATHER, "parameters": Parameters}],
    ids=["ours", "openai", "class"],
)
def test_a_tool_is_called_with_arguments_that_fit(engine: indwell.Engine, tool: Any) -> None:
    reply = engine.chat(ASKED, tools=[tool], tool_choice="required", **ONE)
    assert reply.finish_reason == "tool_calls"
    [call] = reply.tool_calls
    assert call.id and call.name == "weather"
    check(call.arguments)


def test_several_tools_may_be_called_at_once(engine: indwell.Engine) -> None:
    reply = engine.chat(ASKED, tools=[WEATHER], tool_choice="required", max_tokens=100)
    assert reply.tool_calls and len({call.id for call in reply.tool_calls}) == len(reply.tool_calls)
    whole = reply.tool_calls if reply.finish_reason == "tool_calls" else reply.tool_calls[:-1]
    for call in whole:
        check(call.arguments)


def test_the_turn_goes_on_with_the_result(engine: indwell.Engine) -> None:
    reply = engine.chat(ASKED, tools=[WEATHER], tool_choice={"name": "weather"}, max_tokens=100)
    results = [
        indwell.Message("tool", "Rain, 7 degrees.", tool_call_id=call.id)
        for call in reply.tool_calls
    ]
    told = engine.chat(
        [*ASKED, reply.message, *results], tools=[WEATHER], tool_choice="none", max_tokens=12
    )
    assert told.text and not told.tool_calls


def test_a_call_streams_and_adds_up(engine: indwell.Engine) -> None:
    options: Any = {"tools": [WEATHER], "tool_choice": "required", **ONE}
    whole = engine.chat(ASKED, **options)
    arguments = [""] * len(whole.tool_calls)
    names = []
    with engine.chat(ASKED, stream=True, **options) as stream:
        for event in stream:
            if event.type == "tool_call":
                arguments[event.index] += event.arguments
                assert (event.id is None) == (event.name is None)
                names += [event.name] if event.name else []
        assert event.type == "finished" and event.reason == "tool_calls"
    assert arguments == [call.arguments for call in whole.tool_calls]
    assert names == [call.name for call in whole.tool_calls]


async def test_tools_are_called_on_asyncio(engine: indwell.Engine) -> None:
    options: Any = {"tools": [WEATHER], "tool_choice": "required", **ONE}
    reply = await engine.achat(ASKED, **options)
    check(reply.tool_calls[0].arguments)
    pieces = [
        event.arguments
        async for event in engine.achat(ASKED, stream=True, **options)
        if event.type == "tool_call"
    ]
    assert pieces


def test_no_tool_is_called_where_none_may_be(engine: indwell.Engine) -> None:
    reply = engine.chat(ASKED, tools=[WEATHER], tool_choice="none", max_tokens=12)
    assert not reply.tool_calls and reply.finish_reason != "tool_calls"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"tools": WEATHER}, "tools"),
        ({"tools": ["weather"]}, "tools"),
        ({"tools": [{"name": "odd name!"}]}, "tools"),
        ({"tools": [{"name": ""}]}, "tools"),
        ({"tools": [{"description": "Nameless."}]}, "tools"),
        ({"tools": [WEATHER, WEATHER]}, "tools"),
        ({"tools": [{**WEATHER, "mood": "good"}]}, "tools"),
        ({"tools": [{**WEATHER, "parameters": "none"}]}, "tools"),
        ({"tools": [WEATHER], "tool_choice": "always"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"name": "other"}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "parallel_tool_calls": "yes"}, "parallel_tool_calls"),
        ({"separate_reasoning": 1}, "separate_reasoning"),
        ({"documents": {"text": "x"}}, "documents"),
        ({"template_args": ["x"]}, "template_args"),
        ({"continue_final_message": "yes"}, "continue_final_message"),
    ],
    ids=lambda part: repr(part)[:48],
)
def test_a_tool_that_is_wrong_is_named(
    engine: indwell.Engine, options: Dict[str, Any], field: str
) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.chat(ASKED, **options)
    assert (caught.value.field or "").startswith(field), vars(caught.value)
    assert caught.value.remedy


def test_tools_are_for_chats(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.complete("Hello", tools=[WEATHER])  # type: ignore[call-overload]
    assert caught.value.field == "tools"
