"""OpenAI's SDK on an engine in this process: no server, no port. Needs `pip install openai`.

    python openai_sdk.py [MODEL]
"""

import sys
from typing import Literal

import openai
from pydantic import BaseModel

import indwell

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"


class City(BaseModel):
    name: Literal["Oslo", "Paris", "Rome"]
    is_capital: bool


with indwell.Engine(model) as engine:
    # Whatever the SDK would send over the network, the engine answers. Only this line is ours.
    client = openai.OpenAI(api_key="-", http_client=engine.httpx_client())
    name = engine.model.name

    question = [{"role": "user", "content": "What is the capital of France?"}]
    answer = client.chat.completions.create(
        model=name, messages=question, max_tokens=32, temperature=0
    )
    print(answer.choices[0].message.content)

    stream = client.chat.completions.create(
        model=name, messages=question, max_tokens=32, temperature=0, stream=True
    )
    for chunk in stream:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()

    parsed = client.chat.completions.parse(
        model=name, messages=question, response_format=City, max_tokens=64
    )
    print("parsed:", parsed.choices[0].message.parsed)

    try:
        client.chat.completions.create(model=name, messages=question, temperature=-1)
    except openai.BadRequestError as error:
        print("refused:", error.param)
