"""The Python client of `binding_cost`; `src/client.rs` says what a client does.

A fourth argument says how streams are read: `threads`, one a stream, or `asyncio`.
"""

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import indwell


def read(engine, prompt, max_tokens):
    events = 0
    for event in engine.complete(prompt, max_tokens=max_tokens, stream=True):
        if event.type == "text":
            events += 1
    return event.usage.completion_tokens, events


async def aread(engine, prompt, max_tokens):
    events = 0
    async for event in engine.acomplete(prompt, max_tokens=max_tokens, stream=True):
        if event.type == "text":
            events += 1
    return event.usage.completion_tokens, events


async def aread_all(engine, prompts, max_tokens):
    return await asyncio.gather(*(aread(engine, prompt, max_tokens) for prompt in prompts))


def main(how, model, context_tokens, threads):
    options = {"context_tokens": int(context_tokens), "response_cache_bytes": 0}
    if threads != "0":
        options["threads"] = int(threads)
    with indwell.Engine(model, **options) as engine, ThreadPoolExecutor(64) as pool:
        loop = asyncio.new_event_loop()
        print("ready", flush=True)
        for line in sys.stdin:
            max_tokens, *prompts = line.rstrip("\n").split("\t")
            max_tokens = int(max_tokens)
            started = time.perf_counter()
            if how == "asyncio":
                counts = loop.run_until_complete(aread_all(engine, prompts, max_tokens))
            else:
                counts = list(pool.map(lambda prompt: read(engine, prompt, max_tokens), prompts))
            seconds = time.perf_counter() - started
            tokens, events = (sum(column) for column in zip(*counts))
            print(json.dumps({"tokens": tokens, "events": events, "seconds": seconds}), flush=True)
        loop.close()


main(*sys.argv[1:])
