"""The Python client of `response_cache`; `hits.rs` says what it does."""

import json
import sys
from time import perf_counter_ns

import indwell


def timed(task, ask):
    first = ask()
    for _ in range(task["warm_up"]):
        ask()
    hits = []
    for _ in range(task["hits"]):
        started = perf_counter_ns()
        reply = ask()
        hits.append(perf_counter_ns() - started)
        if reply.usage.cache != "response" or reply.text != first.text:
            raise RuntimeError(f"it was computed, or another answer: {reply}")
    clock = []
    for _ in range(task["hits"]):
        started = perf_counter_ns()
        clock.append(perf_counter_ns() - started)
    return {
        "prompt_tokens": first.usage.prompt_tokens,
        "completion_tokens": first.usage.completion_tokens,
        "clock_ns": clock,
        "hit_ns": hits,
    }


def main(model, context_tokens, threads):
    options = {"context_tokens": int(context_tokens)}
    if threads != "0":
        options["threads"] = int(threads)
    with indwell.Engine(model, **options) as engine:
        print("ready", flush=True)
        for line in sys.stdin:
            task = json.loads(line)
            text, max_tokens = task["text"], task["max_tokens"]
            if task["form"] == "chat":
                answer = timed(task, lambda: engine.chat(text, max_tokens=max_tokens))
            else:
                answer = timed(task, lambda: engine.complete(text, max_tokens=max_tokens))
            print(json.dumps(answer), flush=True)


main(*sys.argv[1:])
