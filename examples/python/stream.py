"""An answer as it comes. Leaving the block early cancels the request.

    python stream.py [MODEL]
"""

import sys

import indwell

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"

with indwell.Engine(model) as engine:
    prompt = "Write a short poem about the sea."
    # Without these, answers are greedy: the likeliest token each time.
    sampling = {"temperature": 0.8, "top_p": 0.95, "seed": 42}
    with engine.chat(prompt, stream=True, max_tokens=48, **sampling) as stream:
        for event in stream:
            if event.type == "text":
                print(event.text, end="", flush=True)
            else:
                print(f"\n[{event.reason} after {event.usage.completion_tokens} tokens]")
