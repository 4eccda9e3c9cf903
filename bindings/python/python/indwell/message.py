"""What is said in a chat: its messages, and the tools that the model calls in them.

OpenAI's dicts are messages here as they are, and so are the objects of its SDK.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Literal, Mapping, Optional, Sequence, TypedDict, Union

#: Who speaks. "developer" is another name for "system".
Role = Literal["system", "developer", "user", "assistant", "tool"]


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool, as the model makes it.

    Attributes:
        id: What its result is told by: the `tool_call_id` of the message with the result.
        name: The tool's name.
        arguments: Its arguments: a JSON object as text, for `json.loads`.

    Example:
        >>> [call] = reply.tool_calls
        >>> result = look_up(**json.loads(call.arguments))
        >>> messages += [reply.message, indwell.Message("tool", result, tool_call_id=call.id)]
    """

    id: str
    name: str
    arguments: str


class TextPartDict(TypedDict):
    """A part of a content: `{"type": "text", "text": "Hello"}`. No other kinds are read."""

    type: Literal["text"]
    text: str


#: What is said: a text, or parts that are read one after the other.
Content = Union[str, Sequence[Union[TextPartDict, Dict[str, Any]]]]


@dataclass(frozen=True)
class Message:
    """One message of a conversation. None of its texts ever becomes a control token.

    Attributes:
        role: Who speaks: "system" (or "developer"), "user", "assistant" or "tool".
        content: What is said; None, the default, only where the assistant calls tools.
        name: Who speaks, by name, for templates that tell several apart.
        reasoning: What the model thought before it spoke, for templates that show it.
        tool_calls: The tools that the assistant calls with this message.
        tool_call_id: Which call this is the result of, in messages of tools.

    Example:
        >>> engine.chat([indwell.Message("system", "Be brief."), indwell.Message("user", "Hello")])
    """

    role: Role
    content: Optional[Content] = None
    name: Optional[str] = None
    reasoning: Optional[str] = None
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: Optional[str] = None


class _Said(TypedDict):
    role: Role


class MessageDict(_Said, total=False):
    """A message as a dict: `{"role": "user", "content": "Hello"}`.

    The keys are those of `Message`, or OpenAI's; a key that nobody would read is refused, unless it
    is None.
    """

    content: Optional[Content]
    name: Optional[str]
    reasoning: Optional[str]
    reasoning_content: Optional[str]
    refusal: Optional[str]
    tool_calls: Optional[Sequence[Union[ToolCall, Mapping[str, Any]]]]
    tool_call_id: Optional[str]


#: A conversation: a string is one message of the user.
Messages = Union[str, Iterable[Union[Message, MessageDict, Dict[str, Any]]]]


class _Named(TypedDict):
    name: str


class ToolDict(_Named, total=False):
    """A tool that the model may call; OpenAI's form, with a "function" in it, is read too.

    Attributes:
        name: 1 to 64 letters, digits, "_" and "-".
        description: What it does, for the model.
        parameters: Its arguments: the JSON schema of an object, or a class of pydantic's models.
    """

    description: Optional[str]
    parameters: Union[Dict[str, Any], type, None]


class NamedToolDict(TypedDict):
    """The tool that the model has to call: `{"name": "look_up"}`."""

    name: str


#: Whether the model calls tools.
ToolChoice = Union[Literal["auto", "none", "required"], NamedToolDict, Dict[str, Any]]


def characters(prompt: object) -> int:
    """How long a prompt or conversation is; 0 for what is neither, which is refused soon."""
    if isinstance(prompt, str):
        return len(prompt)
    if not isinstance(prompt, (list, tuple)):
        return 0
    contents = [
        message.get("content") if isinstance(message, dict) else getattr(message, "content", None)
        for message in prompt
    ]
    return sum(map(_content_characters, contents))


def _content_characters(content: object) -> int:
    if isinstance(content, str):
        return len(content)
    if not isinstance(content, (list, tuple)):
        return 0
    texts: List[object] = [part.get("text") for part in content if isinstance(part, dict)]
    return sum(len(text) for text in texts if isinstance(text, str))
