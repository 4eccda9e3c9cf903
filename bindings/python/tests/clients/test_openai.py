"""OpenAI's SDK, in the process and over HTTP: the same calls, the same answers."""

from __future__ import annotations

import json
from typing import Any, List

import openai
import pytest
from forms import ASKED, SHORT, WEATHER, City, Weather
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

QUESTION: List[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You answer in one sentence."},
    {"role": "user", "content": "What is the capital of France?"},
]


def test_a_chat_is_answered(client: OpenAI, name: str) -> None:
    done = client.chat.completions.create(
        model=name, messages=QUESTION, temperature=0, max_tokens=SHORT
    )
    [choice] = done.choices
    assert done.object == "chat.completion" and done.id.startswith("chatcmpl-")
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    assert 0 < done.usage.completion_tokens <= SHORT


def test_a_stream_adds_up_to_the_answer(client: OpenAI, name: str) -> None:
    asked: Any = {"model": name, "messages": QUESTION, "temperature": 0, "max_tokens": SHORT}
    whole = client.chat.completions.create(**asked)
    chunks = list(
        client.chat.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(c.delta.content or "" for c in choices) == whole.choices[0].message.content
    assert choices[0].delta.role == "assistant"
    assert [c.finish_reason for c in choices if c.finish_reason] == [whole.choices[0].finish_reason]
    assert chunks[-1].choices == [] and chunks[-1].usage is not None and whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1


def test_parts_of_text_and_developers_are_read(client: OpenAI, name: str) -> None:
    done = client.chat.completions.create(
        model=name,
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "text", "text": "Say "},
                                         {"type": "text", "text": "hello."}]},
        ],
        max_completion_tokens=3,
        temperature=0,
    )
    assert done.usage is not None and done.usage.completion_tokens <= 3


def test_several_answers_have_their_indexes(client: OpenAI, name: str) -> None:
    asked: Any = {"model": name, "messages": QUESTION, "temperature": 1.0, "seed": 3, "n": 3,
                  "max_tokens": SHORT}
    done = client.chat.completions.create(**asked)
    assert [choice.index for choice in done.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in done.choices}) > 1
    streamed = {index: "" for index in range(3)}
    ended = []
    for chunk in client.chat.completions.create(**asked, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
            ended += [choice.index] if choice.finish_reason else []
    # Batches of other shapes may round otherwise, so texts are not compared.
    assert all(streamed.values()) and sorted(ended) == [0, 1, 2]


def test_stop_texts_end_an_answer(client: OpenAI, name: str) -> None:
    done = client.completions.create(
        model=name, prompt="1 2 3", temperature=0, max_tokens=32, stop=["6"]
    )
    assert done.choices[0].finish_reason == "stop" and "6" not in done.choices[0].text
    assert "5" in done.choices[0].text


def test_logprobs_are_told_with_their_texts(client: OpenAI, name: str) -> None:
    done = client.chat.completions.create(
        model=name, messages=QUESTION, temperature=0, max_tokens=4, logprobs=True, top_logprobs=3
    )
    [choice] = done.choices
    assert choice.logprobs is not None and choice.logprobs.content is not None
    entries = choice.logprobs.content
    assert done.usage is not None and len(entries) == done.usage.completion_tokens
    for entry in entries:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3
        assert entry.bytes is not None
        # Greedy: what was taken is the likeliest.
        assert entry.top_logprobs[0].token == entry.token
    said = b"".join(bytes(entry.bytes or []) for entry in entries)
    assert said.decode("utf-8", "ignore").startswith((choice.message.content or "")[:4])


def test_a_tool_is_called_and_its_result_read(client: OpenAI, name: str) -> None:
    messages: List[Any] = [{"role": "user", "content": ASKED}]
    asked: Any = {"model": name, "temperature": 0, "max_tokens": 100}
    done = client.chat.completions.create(
        messages=messages, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, **asked
    )
    [choice] = done.choices
    assert choice.finish_reason == "tool_calls" and choice.message.tool_calls
    call = choice.message.tool_calls[0]
    assert call.type == "function" and call.function.name == "weather"
    Weather.model_validate_json(call.function.arguments)
    messages.append(choice.message)
    for call in choice.message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "Rain, 7 degrees."})
    told = client.chat.completions.create(messages=messages, tools=[WEATHER], tool_choice="none",
                                          **asked)
    assert told.choices[0].message.content and not told.choices[0].message.tool_calls


def test_a_call_streams_as_deltas(client: OpenAI, name: str) -> None:
    arguments, ids, names, reasons = "", [], [], []
    for chunk in client.chat.completions.create(
        model=name,
        messages=[{"role": "user", "content": ASKED}],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=100,
        stream=True,
    ):
        for choice in chunk.choices:
            reasons.append(choice.finish_reason)
            for call in choice.delta.tool_calls or []:
                assert call.index == 0 and call.function is not None
                ids.append(call.id)
                names.append(call.function.name)
                arguments += call.function.arguments or ""
    Weather.model_validate_json(arguments)
    # The first delta names the call, and no other does.
    assert ids[0] and names[0] == "weather" and not any(ids[1:]) and not any(names[1:])
    assert reasons[-1] in ("tool_calls", "stop")


def test_an_answer_fits_its_schema(client: OpenAI, name: str) -> None:
    done = client.chat.completions.create(
        model=name,
        messages=[{"role": "user", "content": "Tell me of a city."}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "city", "strict": True, "schema": City.model_json_schema()},
        },
        temperature=0,
        max_tokens=100,
    )
    City.model_validate_json(done.choices[0].message.content or "")


def test_an_answer_may_be_any_object(client: OpenAI, name: str) -> None:
    done = client.chat.completions.create(
        model=name,
        messages=[{"role": "user", "content": "Tell me of a city as JSON."}],
        response_format={"type": "json_object"},
        temperature=0,
        max_tokens=100,
    )
    [choice] = done.choices
    assert (choice.message.content or "").lstrip().startswith("{")
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content or ""), dict)


def test_an_answer_is_parsed_into_a_model(client: OpenAI, name: str) -> None:
    done = client.chat.completions.parse(
        model=name,
        messages=[{"role": "user", "content": "Tell me of a city."}],
        response_format=City,
        temperature=0,
        max_tokens=100,
    )
    assert isinstance(done.choices[0].message.parsed, City)


def test_a_call_is_parsed_into_a_model(client: OpenAI, name: str) -> None:
    done = client.chat.completions.parse(
        model=name,
        messages=[{"role": "user", "content": ASKED}],
        tools=[openai.pydantic_function_tool(Weather)],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=100,
    )
    calls = done.choices[0].message.tool_calls
    assert calls and isinstance(calls[0].function.parsed_arguments, Weather)


def test_the_stream_helper_parses_as_it_goes(client: OpenAI, name: str) -> None:
    with client.chat.completions.stream(
        model=name,
        messages=[{"role": "user", "content": "Tell me of a city."}],
        response_format=City,
        temperature=0,
        max_tokens=100,
    ) as stream:
        kinds = {event.type for event in stream}
        done = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert isinstance(done.choices[0].message.parsed, City)


def test_the_stream_helper_tells_calls(client: OpenAI, name: str) -> None:
    with client.chat.completions.stream(
        model=name,
        messages=[{"role": "user", "content": ASKED}],
        tools=[openai.pydantic_function_tool(Weather)],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=100,
    ) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    assert done and isinstance(done[0].parsed_arguments, Weather)


def test_legacy_completions_go_on_with_their_prompts(client: OpenAI, name: str) -> None:
    asked: Any = {"model": name, "temperature": 0, "max_tokens": 4}
    done = client.completions.create(prompt="The capital of France is", **asked)
    assert done.object == "text_completion" and done.choices[0].text.startswith(" Paris")
    echoed = client.completions.create(prompt="The capital of France is", echo=True, **asked)
    assert echoed.choices[0].text == "The capital of France is" + done.choices[0].text
    several = client.completions.create(prompt=["1 2 3", "The capital of France is"], **asked)
    assert [choice.index for choice in several.choices] == [0, 1]
    assert several.choices[1].text == done.choices[0].text
    chunks = client.completions.create(prompt="The capital of France is", stream=True, **asked)
    assert "".join(c.text for chunk in chunks for c in chunk.choices) == done.choices[0].text


def test_legacy_completions_tell_logprobs_of_the_prompt_too(client: OpenAI, name: str) -> None:
    done = client.completions.create(
        model=name, prompt="1 2 3 4", echo=True, logprobs=2, max_tokens=2, temperature=0
    )
    told = done.choices[0].logprobs
    assert told is not None and told.tokens and told.token_logprobs
    assert "".join(told.tokens) == done.choices[0].text
    assert told.token_logprobs[0] is None
    assert all(logprob <= 0 for logprob in told.token_logprobs[1:] if logprob is not None)
    assert done.usage is not None and len(told.tokens) == done.usage.total_tokens


def test_the_model_is_listed_and_found(client: OpenAI, name: str) -> None:
    [listed] = client.models.list().data
    assert client.models.retrieve(listed.id).id == listed.id
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5")
    assert caught.value.code == "model_not_found"


def test_options_of_ours_are_fields_of_the_body(client: OpenAI, name: str) -> None:
    done = client.chat.completions.create(
        model=name,
        messages=QUESTION,
        max_tokens=SHORT,
        temperature=0,
        extra_body={"choice": ["Paris", "Rome"], "cache": "bypass"},
    )
    assert done.choices[0].message.content in ("Paris", "Rome")


def test_raw_responses_have_status_and_headers(client: OpenAI, name: str) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=name, messages=QUESTION, max_tokens=1
    )
    assert raw.status_code == 200
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.parse().choices
