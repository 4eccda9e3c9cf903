"""Answers that a program can read: JSON that fits a schema, one of a few words, a pattern.

    python structured.py [MODEL]
"""

import json
import sys

import indwell

CITY = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "country": {"enum": ["France", "Italy", "Norway"]},
        "population": {"type": "integer", "minimum": 0, "maximum": 20000000},
    },
    "required": ["name", "country", "population"],
    "additionalProperties": False,
}

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"

with indwell.Engine(model) as engine:
    # What a small model says may be wrong; its form never is.
    reply = engine.chat("Tell me of the capital of France.", json_schema=CITY, max_tokens=128)
    city = json.loads(reply.text)
    print(f"{city['name']}, {city['country']}: {city['population']}")

    reply = engine.chat("Is Paris a city?", choice=["yes", "no"])
    print("choice:", reply.text)

    reply = engine.complete("The date of today is ", regex="20[0-9]{2}-(0[1-9]|1[0-2])")
    print("regex:", reply.text)

    # In a stream the form holds at every moment.
    with engine.chat("Name a city.", json_schema=CITY, max_tokens=128, stream=True) as stream:
        for event in stream:
            if event.type == "text":
                print(event.text, end="", flush=True)
    print()

    # What cannot be kept is refused, never ignored.
    try:
        engine.chat("Hello", json_schema={"$ref": "https://example.com/city.json"})
    except indwell.Error as error:
        print(f"{error.kind}: {error.field}")
