"""Answers that are held to a form, in the forms that Python has for forms."""

from __future__ import annotations

import json
import re
from typing import Any, Dict

import indwell
import pytest

CITY: Dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"enum": ["Oslo", "Paris", "Rome"]},
        "founded": {"type": "integer", "minimum": 0, "maximum": 2000},
        "is_capital": {"type": "boolean"},
    },
    "required": ["name", "founded", "is_capital"],
    "additionalProperties": False,
}


class CityModel:
    """A class that tells its schema as pydantic's models do."""

    @classmethod
    def model_json_schema(cls) -> Dict[str, Any]:
        return CITY


@pytest.mark.parametrize(
    "schema", [CITY, json.dumps(CITY), CityModel], ids=["dict", "text", "class"]
)
def test_an_answer_fits_its_schema(engine: indwell.Engine, schema: Any) -> None:
    reply = engine.chat("Tell me of a city.", json_schema=schema, max_tokens=100)
    city = json.loads(reply.text)
    assert list(city) == ["name", "founded", "is_capital"]
    assert city["name"] in ("Oslo", "Paris", "Rome") and 0 <= city["founded"] <= 2000
    assert reply.finish_reason == "stop"


def test_a_stream_is_held_to_its_form_too(engine: indwell.Engine) -> None:
    with engine.complete("A city: ", json_schema=CITY, max_tokens=100, stream=True) as stream:
        text = "".join(event.text for event in stream if event.type == "text")
    assert json.loads(text)["name"]


async def test_forms_hold_on_asyncio(engine: indwell.Engine) -> None:
    reply = await engine.achat("Yes or no?", choice=["yes", "no"])
    assert reply.text in ("yes", "no")


def test_every_kind_of_grammar_holds(engine: indwell.Engine) -> None:
    date = re.compile(r"[12][0-9]{3}-[01][0-9]")
    assert date.fullmatch(engine.complete("The date is ", regex=date.pattern).text)
    lark = 'start: "a" | "b" "c"\n'
    assert engine.complete("Say ", lark=lark).text in ("a", "bc")
    gbnf = 'root ::= "yes" | "no"'
    assert engine.complete("Is it? ", gbnf=gbnf).text in ("yes", "no")
    said = engine.chat("A JSON object, please.", json_object=True, max_tokens=40).text
    assert said.lstrip().startswith("{")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("json_schema", {"$ref": "https://example.com/schema.json"}),
        ("json_schema", {"type": "nothing"}),
        ("json_schema", "{"),
        ("json_schema", 7),
        ("json_schema", [CITY]),
        ("json_schema", {"minimum": float("nan")}),
        ("json_schema", {7: "seven"}),
        ("json_schema", int),
        ("regex", "("),
        ("regex", ["a"]),
        ("choice", []),
        ("choice", [1, 2]),
        ("lark", "start: missing"),
        ("gbnf", "root ::= missing"),
        ("json_object", "yes"),
    ],
    ids=lambda part: repr(part)[:48],
)
def test_a_form_that_is_none_is_refused(engine: indwell.Engine, option: str, value: Any) -> None:
    options: Dict[str, Any] = {option: value}
    with pytest.raises((indwell.InvalidRequestError, indwell.UnsupportedError)) as caught:
        engine.complete("Hello", **options)
    assert option in (caught.value.field or ""), vars(caught.value)
    assert caught.value.message and caught.value.remedy


def test_two_forms_are_refused(engine: indwell.Engine) -> None:
    with pytest.raises(indwell.InvalidRequestError) as caught:
        engine.complete("Hello", regex="a", choice=["a"])
    assert "regex" in caught.value.message and "choice" in caught.value.message


def test_a_value_that_holds_itself_is_refused(engine: indwell.Engine) -> None:
    endless: Dict[str, Any] = {}
    endless["properties"] = {"again": endless}
    looped: Any = []
    looped.append(looped)
    for options in ({"json_schema": endless}, {"stop": looped}):
        with pytest.raises(indwell.InvalidRequestError) as caught:
            engine.complete("Hello", **options)
        assert caught.value.field == next(iter(options))
        assert "128" in (caught.value.limit or "")


@pytest.mark.parametrize(
    "regex", ["(a{1,1000}){1,1000}", "(a*)*(b|a)*" * 200, "[ab]*a[ab]{20000}"], ids=lambda r: r[:20]
)
def test_a_pathological_expression_ends_and_the_others_are_served(
    engine: indwell.Engine, regex: str
) -> None:
    with engine.complete("1 2 3", max_tokens=24, stream=True) as other:
        next(other)
        try:
            engine.complete("Say ", regex=regex, max_tokens=8)
        except indwell.InvalidRequestError as error:
            assert error.field == "regex" and error.limit and error.remedy
        assert other.reply().finish_reason == "length"


def test_a_schema_of_a_megabyte_ends_and_the_others_are_served(engine: indwell.Engine) -> None:
    large = {"enum": [f"a word of many, number {number:06}" for number in range(32_000)]}
    assert len(json.dumps(large)) > 1_000_000
    with engine.complete("1 2 3", max_tokens=24, stream=True) as other:
        next(other)
        try:
            assert engine.complete("Say ", json_schema=large, max_tokens=40).text
        except indwell.InvalidRequestError as error:
            assert error.field == "json_schema" and error.limit and error.remedy
        assert other.reply().finish_reason == "length"
