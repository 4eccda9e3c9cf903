"""Messages in every form that Python has for them, and replies as the next turn's messages."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Dict, List

import indwell
import pytest

CALL = indwell.ToolCall("call_1", "weather", '{"city": "Oslo"}')

#: A turn with a tool, in our objects.
OURS: List[Any] = [
    indwell.Message("developer", "Be brief."),
    indwell.Message("user", "What is the weather like in Oslo?", name="Ada"),
    indwell.Message("assistant", tool_calls=[CALL], reasoning="Oslo is a city."),
    indwell.Message("tool", "Rain.", tool_call_id="call_1"),
]

#: The same in OpenAI's dicts, as its SDK dumps them.
OPENAI: List[Dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is the weather "},
            {"type": "text", "text": "like in Oslo?"},
        ],
        "name": "Ada",
    },
    {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "reasoning_content": "Oslo is a city.",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
            }
        ],
    },
    {"role": "tool", "content": "Rain.", "tool_call_id": "call_1"},
]


class Dumped:
    """An object that says what it holds as pydantic's models do."""

    def __init__(self, fields: Dict[str, Any]) -> None:
        self._fields = fields

    def model_dump(self) -> Dict[str, Any]:
        return self._fields


def prompt_tokens(engine: indwell.Engine, messages: List[Any]) -> int:
    return engine.chat(messages, max_tokens=1).usage.prompt_tokens


def test_every_form_of_a_conversation_is_the_same_prompt(cached: indwell.Engine) -> None:
    forms = [
        OURS,
        OPENAI,
        [Dumped(message) for message in OPENAI],
        [SimpleNamespace(**{"name": None, "tool_calls": None, **vars(OURS[0])}), *OPENAI[1:]],
        [*OPENAI[:2], {"role": "assistant", "tool_calls": (CALL,), "reasoning": "Oslo is a city."},
         OURS[3]],
    ]
    first = cached.chat(OURS, max_tokens=4)
    for form in forms:
        again = cached.chat(form, max_tokens=4)
        # The stored answer serves the very same prompt alone.
        assert (again.text, again.usage.cache) == (first.text, "response"), form


def test_a_reply_is_the_next_turn_s_message(engine: indwell.Engine) -> None:
    messages: List[Any] = [{"role": "user", "content": "What is the capital of France?"}]
    reply = engine.chat(messages, max_tokens=12)
    said = reply.message
    assert (said.role, said.content, said.tool_calls) == ("assistant", reply.text, ())
    longer = prompt_tokens(engine, [*messages, said, indwell.Message("user", "And of Italy?")])
    assert longer > reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_a_dataclass_of_ones_own_is_a_message(engine: indwell.Engine) -> None:
    @dataclass
    class Said:
        role: str
        content: str

    plain = prompt_tokens(engine, [{"role": "user", "content": "Hello"}])
    assert prompt_tokens(engine, [Said("user", "Hello")]) == plain


def test_what_a_message_raises_itself_gets_through(engine: indwell.Engine) -> None:
    class Broken:
        @property
        def role(self) -> str:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        engine.chat([Broken()])  # type: ignore[list-item]


def test_an_image_is_unsupported(engine: indwell.Engine) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with pytest.raises(indwell.UnsupportedError) as caught:
        engine.chat([{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}])
    assert caught.value.field == "messages[0].content[1].type"
    assert "image_url" in (caught.value.value or "") and caught.value.remedy
