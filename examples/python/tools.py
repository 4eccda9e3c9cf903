"""A tool: told to the model, called by it, and its result read.

    python tools.py [MODEL]
"""

import json
import sys

import indwell

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"


def weather(city: str, unit: str) -> str:
    return f"In {city} it rains, at {7 if unit == 'celsius' else 45} degrees."


TOOLS = [
    {
        "name": "weather",
        "description": "Looks up the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"enum": ["Oslo", "Paris", "Rome"]},
                "unit": {"enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    }
]

with indwell.Engine(model) as engine:
    messages = [{"role": "user", "content": "What is the weather like in Oslo, in celsius?"}]

    # "auto" would leave it to the model whether it calls; this one is too small to choose well.
    reply = engine.chat(messages, tools=TOOLS, tool_choice="required", parallel_tool_calls=False)
    print("finished:", reply.finish_reason)

    messages.append(reply.message)
    for call in reply.tool_calls:
        # The arguments always fit the tool's schema.
        arguments = json.loads(call.arguments)
        print(f"{call.name}({arguments['city']}, {arguments['unit']})")
        result = weather(**arguments)
        messages.append(indwell.Message("tool", result, tool_call_id=call.id))

    reply = engine.chat(messages, tools=TOOLS, tool_choice="none", max_tokens=48)
    print(reply.text)
