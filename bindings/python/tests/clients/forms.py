"""What the clients ask for: forms that a small model cannot miss, since its answers are held to
them, and that end after few tokens.
"""

from __future__ import annotations

from typing import Any, Dict, Literal

from pydantic import BaseModel, ConfigDict, Field

#: The clients want a key; nothing reads it in the process.
KEY = "-"

#: Keeps an answer that is not held to a form short.
SHORT = 12


class City(BaseModel):
    """A city."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["Oslo", "Paris", "Rome"]
    founded: int = Field(ge=0, le=2000)
    is_capital: bool


class Weather(BaseModel):
    """Looks up the weather of a city."""

    model_config = ConfigDict(extra="forbid")

    city: Literal["Oslo", "Paris", "Rome"]
    unit: Literal["celsius", "fahrenheit"]


#: The tool in OpenAI's form.
WEATHER: Dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Looks up the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": ["Oslo", "Paris", "Rome"]},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}

ASKED = "What is the weather like in Oslo, in celsius?"
