"""The same question is computed once; one that means the same can be served by its answer, too.

    python response_cache.py [MODEL]
"""

import re
import sys
import zlib
from typing import List

import indwell


def embed(prompt: str) -> List[float]:
    """Counts the prompt's runs of three characters: a stand-in for an embedding model."""
    vector = [0.0] * 256
    for start in range(len(prompt) - 2):
        vector[zlib.crc32(prompt[start : start + 3].lower().encode()) % 256] += 1.0
    return vector


def verify(match: indwell.SemanticMatch) -> bool:
    """Agrees to the same words in another order. What is not asked lies as near as what is."""
    asked, found = (sorted(re.findall(r"\w+", text.lower())) for text in (match.asked, match.found))
    return asked == found


def source(usage: indwell.Usage) -> str:
    return usage.cache if usage.cache in ("response", "semantic") else "computed"


model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"

# With response_cache_dir, answers outlive the process.
with indwell.Engine(model) as engine:
    question = "What do llamas eat in the winter?"
    for _ in range(2):
        reply = engine.chat(question, max_tokens=32)
        print(f"{question} {source(reply.usage)}, {reply.timings.total_ms:.2f} ms")

    # Nobody finds the answers of another tenant.
    usage = engine.chat(question, max_tokens=32, cache_salt="another tenant").usage
    print(f"another tenant: {source(usage)}")

    semantic = indwell.Semantic(0.2, embed, verify)
    engine.chat("What do alpacas eat in the winter?", max_tokens=32, semantic=semantic)
    for similar in (
        "In the winter, what do alpacas eat?",
        "What do alpacas not eat in the winter?",
    ):
        usage = engine.chat(similar, max_tokens=32, semantic=semantic).usage
        print(f"{similar} {source(usage)}, distance {usage.semantic_distance}")

    print(f"hit rate {engine.stats().response_cache_hit_rate:.2f}")
    print(f"{engine.invalidate_responses()} answers forgotten")
    try:
        engine.chat(question, max_tokens=32, cache="only_if_cached")
    except indwell.NotCachedError as error:
        print(f"{error.kind}: {error.remedy}")
