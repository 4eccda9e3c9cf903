"""One question, one answer.

    python chat.py [MODEL]
"""

import sys

import indwell

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"

# Leaving the block closes the engine and gives its memory back.
with indwell.Engine(model, context_tokens=4096) as engine:
    print(f"{engine.model.name}: {engine.model.description}")
    reply = engine.chat(
        [
            {"role": "system", "content": "You answer in one sentence."},
            {"role": "user", "content": "Name the capital of France."},
        ],
        max_tokens=32,
    )
    print(reply.text)
    print(
        f"{reply.usage.prompt_tokens} prompt tokens, {reply.usage.completion_tokens} completion tokens, "
        f"finished: {reply.finish_reason}, first token after {reply.timings.ttft_ms:.0f} ms"
    )
