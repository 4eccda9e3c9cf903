"""Many threads, one engine: it batches them, so it takes far fewer steps than tokens.

    python concurrent_threads.py [MODEL]
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import indwell

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"

with indwell.Engine(model) as engine:

    def count_on(n: int) -> str:
        return engine.complete(f"{n}, {n + 1}, {n + 2},", max_tokens=24).text

    with ThreadPoolExecutor(8) as pool:
        for text in pool.map(count_on, range(10, 90, 10)):
            print(" ".join(text.split()))

    stats = engine.stats()
    print(f"{stats.completion_tokens} tokens in {stats.steps} steps")
