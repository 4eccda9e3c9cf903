"""Errors say what was wrong and what to do; the class says who has to act.

    python errors.py [MODEL]
"""

import sys

import indwell

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"

try:
    indwell.Engine("no-such-model")
except indwell.ModelLoadError as error:
    print(f"{error.kind}: {error}")

with indwell.Engine(model, context_tokens=256) as engine:
    try:
        engine.chat("Hello", temperature=-1.0)
    except indwell.InvalidRequestError as error:
        print(f"{error.kind}: {error.field} was {error.value}, allowed is {error.limit}")

    try:
        engine.complete("word " * 1000)
    except indwell.ContextOverflowError as error:
        print(f"{error.kind}: {error.remedy}")

    try:
        engine.chat("Tell me a very long story.", timeout_ms=1)
    except indwell.DeadlineExceededError as error:
        print(f"{error.kind}: {error.remedy}")

    # The engine serves on.
    print(engine.chat("Say hello.", max_tokens=4).text)
