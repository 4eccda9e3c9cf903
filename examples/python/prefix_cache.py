"""Instructions that many questions share are computed once, and kept at hand.

    python prefix_cache.py [MODEL]
"""

import sys

import indwell

RULES = "Answer in one short sentence. Be friendly, and say so where you do not know. "
INSTRUCTIONS = {"role": "system", "content": "You are the guide of a llama farm. " + RULES * 16}

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"

with indwell.Engine(model) as engine:
    # Computed now, so that the first question finds it, and kept until the block is left.
    with engine.cache_prefix([INSTRUCTIONS]) as prefix:
        print(f"{prefix.tokens} tokens are kept")
        for question in ("What do llamas eat?", "How old do they get?"):
            messages = [INSTRUCTIONS, {"role": "user", "content": question}]
            reply = engine.chat(messages, max_tokens=24)
            usage = reply.usage
            print(
                f"{question} {usage.cached_tokens} of {usage.prompt_tokens} prompt tokens cached "
                f"({usage.cache}), first token after {reply.timings.ttft_ms:.0f} ms"
            )

    # Somebody else's salt shares nothing with these.
    usage = engine.complete("Llamas are", max_tokens=4, cache_salt="another tenant").usage
    print(f"another tenant: {usage.cached_tokens} cached")

    print(f"hit rate {engine.stats().prefix_cache_hit_rate:.2f}")
    for tier in ("resident", "host", "disk"):
        held = getattr(engine.caches(), tier)
        print(f"{tier}: {held.tokens} tokens, {held.bytes} of {held.capacity_bytes} bytes")
