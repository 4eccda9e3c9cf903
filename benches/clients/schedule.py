"""What the Python clients of `serving` share: `src/schedule.rs` says what is read and written.

A client gives `run` how to load and how to ask. To ask is to send one prompt and to call `text`
for each piece of the answer that has any; it returns the tokens of the prompt, those of them that
were cached (None where that is not known), and the tokens of the answer.
"""

import itertools
import json
import os
import sys
import threading
import time


def serve(schedule, ask):
    """Lets the clients take the requests in their order."""
    numbers = itertools.count()
    lock = threading.Lock()
    answers, failures = [], []
    started = time.perf_counter()

    def client():
        while not failures:
            with lock:
                number = next(numbers)
            if number >= len(schedule["requests"]):
                return
            try:
                answers.append(answer(number, schedule["requests"][number], started, ask))
            except Exception as failure:  # told to whoever measures
                failures.append(failure)

    clients = [threading.Thread(target=client) for _ in range(schedule["clients"])]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    seconds = time.perf_counter() - started
    if failures:
        raise failures[0]
    return {"seconds": seconds, "answers": answers, "steps": None}


def answer(number, request, started, ask):
    """Waits for the request's arrival, and asks."""
    arrival = time.perf_counter()
    if request["at_ms"] is not None:
        arrival = started + request["at_ms"] / 1000
        time.sleep(max(0.0, arrival - time.perf_counter()))

    def elapsed_ms():
        return (time.perf_counter() - arrival) * 1000

    text_ms = []
    prompt_tokens, cached_tokens, completion_tokens = ask(
        request["prompt"], request["max_tokens"], lambda: text_ms.append(elapsed_ms())
    )
    return {
        "request": number,
        "text_ms": text_ms,
        "total_ms": elapsed_ms(),
        "prompt_tokens": prompt_tokens,
        "cached_tokens": cached_tokens,
        "completion_tokens": completion_tokens,
    }


def run(load):
    """Serves until the input ends, or something fails, which its last line tells. Whatever else is
    written to standard output goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(line):
        print(line, file=answers, flush=True)

    try:
        ask = load(*sys.argv[1:])
        say("ready")
        for line in sys.stdin:
            say(json.dumps(serve(json.loads(line), ask)))
    except Exception as failure:
        say(json.dumps({"failed": str(failure).partition("\n")[0]}))
        raise
