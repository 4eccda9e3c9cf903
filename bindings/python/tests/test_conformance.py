"""The cases that every language runs; tests/conformance/README.md in the repository says how."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

import indwell
import pytest

Case = Dict[str, Any]
Ask = Callable[..., indwell.Reply]

DEFAULT_DIR = Path(__file__).resolve().parents[3] / "tests" / "conformance"
CONFORMANCE_DIR = Path(os.environ.get("INDWELL_CONFORMANCE_DIR", DEFAULT_DIR))


def cases() -> Iterator[Case]:
    paths = sorted((CONFORMANCE_DIR / "cases").glob("*.json"))
    assert paths, f"no cases in {CONFORMANCE_DIR}"
    for path in paths:
        yield from json.loads(path.read_text(encoding="utf-8"))


def named(operation: str) -> List[Any]:
    return [
        pytest.param(case, id=case["name"])
        for case in cases()
        if (case["operation"] == "load") == (operation == "load")
    ]


@pytest.fixture(scope="module")
def conformance_engine(model: str) -> Iterator[indwell.Engine]:
    with indwell.Engine(model, context_tokens=2048) as engine:
        yield engine


def blocking_reply(engine: indwell.Engine, case: Case, **options: Any) -> indwell.Reply:
    ask = engine.chat if case["operation"] == "chat" else engine.complete
    reply: indwell.Reply = ask(subject(case), **options)
    return reply


def blocking_stream(engine: indwell.Engine, case: Case, **options: Any) -> indwell.Reply:
    ask = engine.chat if case["operation"] == "chat" else engine.complete
    return folded(list(ask(subject(case), stream=True, **options)))


def async_reply(engine: indwell.Engine, case: Case, **options: Any) -> indwell.Reply:
    ask = engine.achat if case["operation"] == "chat" else engine.acomplete

    async def run() -> indwell.Reply:
        reply: indwell.Reply = await ask(subject(case), **options)
        return reply

    return asyncio.run(run())


def async_stream(engine: indwell.Engine, case: Case, **options: Any) -> indwell.Reply:
    ask = engine.achat if case["operation"] == "chat" else engine.acomplete

    async def run() -> List[indwell.Event]:
        return [event async for event in ask(subject(case), stream=True, **options)]

    return folded(asyncio.run(run()))


FORMS: Dict[str, Tuple[str, Ask]] = {
    "reply": ("reply", blocking_reply),
    "stream": ("stream", blocking_stream),
    "async_reply": ("reply", async_reply),
    "async_stream": ("stream", async_stream),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", named("ask"))
def test_request(conformance_engine: indwell.Engine, case: Case, form: str) -> None:
    mode, ask = FORMS[form]
    if mode not in case.get("modes", ["reply", "stream"]):
        pytest.skip(f"the case is for {case['modes']}")
    # A case asks for what it expects to be stored.
    conformance_engine.invalidate_responses()
    options = options_of(case)
    expect = case["expect"]
    if "error" in expect:
        with pytest.raises(indwell.Error) as caught:
            ask(conformance_engine, case, **options)
        check_error(caught.value, expect["error"])
        assert conformance_engine.complete("1 2 3", max_tokens=1).usage.completion_tokens == 1
    else:
        if {"cached_tokens", "cached_tokens_min"} & set(expect):
            ask(conformance_engine, case, **options)
        check_reply(ask(conformance_engine, case, **options), expect)


@pytest.mark.parametrize("case", named("load"))
def test_load(conformance_engine: indwell.Engine, case: Case) -> None:
    name = case["model"]
    name = name.replace("{files}", str(CONFORMANCE_DIR / "files"))
    name = name.replace("{model}", str(conformance_engine.model.path))
    if "error" not in case["expect"]:
        indwell.Engine(name, **options_of(case)).close()
        return
    with pytest.raises(indwell.Error) as caught:
        indwell.Engine(name, **options_of(case))
    check_error(caught.value, case["expect"]["error"])
    assert conformance_engine.complete("1 2 3", max_tokens=1).usage.completion_tokens == 1


def subject(case: Case) -> Any:
    repeat = case.get("repeat", 1)
    if case["operation"] == "complete":
        return case["prompt"] * repeat
    messages: Union[str, List[Dict[str, str]]] = case["messages"]
    if isinstance(messages, str):
        return messages * repeat
    if repeat == 1:
        return messages
    last = {**messages[-1], "content": messages[-1]["content"] * repeat}
    return [*messages[:-1], last]


def options_of(case: Case) -> Dict[str, Any]:
    options: Dict[str, Any] = case.get("options", {})
    return {name: float("nan") if value == "NaN" else value for name, value in options.items()}


@dataclass
class Draft:
    """What a choice's events have brought so far."""

    text: str = ""
    reasoning: Optional[str] = None
    logprobs: Tuple[indwell.TokenLogprob, ...] = ()
    calls: Dict[int, indwell.ToolCall] = field(default_factory=dict)
    reason: Optional[Any] = None

    def take_call(self, delta: indwell.ToolCallDelta) -> None:
        call = self.calls.get(delta.index, indwell.ToolCall("", "", ""))
        self.calls[delta.index] = indwell.ToolCall(
            delta.id or call.id, delta.name or call.name, call.arguments + delta.arguments
        )

    def tool_calls(self) -> Tuple[indwell.ToolCall, ...]:
        return tuple(self.calls[index] for index in sorted(self.calls))


def folded(events: List[indwell.Event]) -> indwell.Reply:
    *others, last = events
    assert isinstance(last, indwell.Finished)
    drafts: Dict[int, Draft] = {}
    prompt: Tuple[indwell.PromptLogprob, ...] = ()
    for event in others:
        if isinstance(event, indwell.PromptLogprobs):
            prompt = event.tokens
            continue
        assert not isinstance(event, indwell.Finished)
        draft = drafts.setdefault(event.choice, Draft())
        if isinstance(event, indwell.TextDelta):
            draft.text += event.text
            draft.logprobs += event.logprobs
        elif isinstance(event, indwell.ReasoningDelta):
            draft.reasoning = (draft.reasoning or "") + event.text
        elif isinstance(event, indwell.ToolCallDelta):
            draft.take_call(event)
        else:
            draft.reason = event.reason
    first = drafts.pop(0, Draft())
    return indwell.Reply(
        text=first.text,
        finish_reason=last.reason,
        usage=last.usage,
        timings=last.timings,
        logprobs=first.logprobs,
        decode_tokens_per_second=last.decode_tokens_per_second,
        reasoning=first.reasoning,
        tool_calls=first.tool_calls(),
        prompt_logprobs=prompt,
        alternatives=tuple(
            indwell.Choice(
                draft.text,
                draft.reason or last.reason,
                draft.logprobs,
                draft.reasoning,
                draft.tool_calls(),
            )
            for _, draft in sorted(drafts.items())
        ),
    )


def check_reply(reply: indwell.Reply, expect: Case) -> None:
    checks: Dict[str, Callable[[Any], bool]] = {
        "finish_reason": lambda wanted: reply.finish_reason == wanted,
        "completion_tokens": lambda wanted: reply.usage.completion_tokens == wanted,
        "prompt_tokens": lambda wanted: reply.usage.prompt_tokens == wanted,
        "cached_tokens": lambda wanted: reply.usage.cached_tokens == wanted,
        "cached_tokens_min": lambda wanted: reply.usage.cached_tokens >= wanted,
        "text": lambda wanted: reply.text == wanted,
        "text_starts_with": lambda wanted: reply.text.startswith(wanted),
        "text_excludes": lambda wanted: not any(text in reply.text for text in wanted),
        "text_not_empty": lambda wanted: bool(reply.text) == wanted,
        "reasoning": lambda wanted: reply.reasoning == wanted,
        "tool_calls": lambda wanted: called(reply.tool_calls) == wanted,
        "logprobs": lambda wanted: (
            not wanted
            or (
                len(reply.logprobs) == reply.usage.completion_tokens
                and all(entry.logprob <= 0.0 for entry in reply.logprobs)
            )
        ),
    }
    assert (reply.usage.cache is None) == (reply.usage.cached_tokens == 0), reply
    for name, wanted in expect.items():
        assert checks[name](wanted), f"{name} should be {wanted!r}: {reply}"


def called(calls: Tuple[indwell.ToolCall, ...]) -> List[Dict[str, Any]]:
    """The calls as cases tell them, once their ids are what ids are."""
    ids = {call.id for call in calls}
    assert len(ids) == len(calls) and all(id.startswith("call_") for id in ids), calls
    return [{"name": call.name, "arguments": json.loads(call.arguments)} for call in calls]


def check_error(error: indwell.Error, expect: Case) -> None:
    attributes = vars(error)
    assert error.kind == expect["kind"], attributes
    for name in ("field", "value", "limit"):
        if name in expect:
            assert getattr(error, name) == expect[name], attributes
    for text in expect.get("message_contains", []):
        assert text in error.message, attributes
    if expect.get("remedy", True):
        assert error.remedy, attributes
    unknown = set(expect) - {"kind", "field", "value", "limit", "message_contains", "remedy"}
    assert not unknown, f"this runner does not know {unknown}"
