"""llama-server as a client of `prefix_cache`: xllamacpp runs llama.cpp's own server in this process.

The first argument is the number of its slots; the others are those of every client, which
`src/client.rs` has. Each line on its input is one JSON object, the traffic of
`src/bin/prefix_cache/traffic.rs`; the answer is one line of JSON, what the traffic's `Served` reads.
Whatever else is written to standard output goes to standard error.
"""

import json
import os
import queue
import sys
import threading
import time

import xllamacpp


def load(slots, model, context_tokens, threads):
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.n_ctx = int(context_tokens)
    parameters.n_parallel = int(slots)
    parameters.verbosity = -1
    if threads != "0":
        parameters.cpuparams.n_threads = int(threads)
        parameters.cpuparams_batch.n_threads = int(threads)
    return xllamacpp.Server(parameters)


class Conversation:
    """What has been said so far in one session, and the rest of what the person will say."""

    def __init__(self, number, turns, form):
        self.number = number
        self.turns = turns
        self.form = form
        self.turn = 0
        self.messages = []
        self.text = ""

    def ask(self, server, max_tokens):
        """Sends the next turn with all that came before it; what the answer took."""
        said = self.turns[self.turn]
        request = {
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.form == "chat":
            self.messages.append({"role": "user", "content": said})
            handle = server.handle_chat_completions
            request["messages"] = self.messages
        else:
            self.text += said
            handle = server.handle_completions
            request["prompt"] = self.text
        reader = Reader()
        handle(request, reader.take)
        answered = reader.finish()
        self.messages.append({"role": "assistant", "content": reader.text})
        self.text += reader.text
        answered |= {"session": self.number, "turn": self.turn}
        self.turn += 1
        return answered


class Reader:
    """Reads one stream. The time to the first token ends with the first chunk that has text."""

    def __init__(self):
        self.started = time.perf_counter()
        self.first = None
        self.text = ""
        self.usage = None
        self.timings = None
        self.refused = None

    def take(self, chunk):
        if "choices" not in chunk:
            self.refused = chunk
            return
        for choice in chunk["choices"]:
            text = choice["delta"].get("content") if "delta" in choice else choice["text"]
            if text:
                if self.first is None:
                    self.first = time.perf_counter()
                self.text += text
        self.usage = chunk.get("usage") or self.usage
        self.timings = chunk.get("timings") or self.timings

    def finish(self):
        ended = time.perf_counter()
        if self.refused is not None or self.usage is None:
            raise RuntimeError(f"llama-server answered {self.refused or 'nothing'}")
        # llama-server evaluates the last cached token again and says so nowhere in its usage;
        # its timings count what it took from its cache.
        cached = (self.timings or {}).get("cache_n", 0)
        return {
            "ttft_ms": ((self.first or ended) - self.started) * 1000,
            "total_ms": (ended - self.started) * 1000,
            "prompt_tokens": self.usage["prompt_tokens"],
            "completion_tokens": self.usage["completion_tokens"],
            "cached_tokens": cached,
        }


def serve(server, traffic):
    """Lets the clients take conversations whose turn it is, first come, first served."""
    conversations = [
        Conversation(number, turns, traffic["form"])
        for number, turns in enumerate(traffic["sessions"])
    ]
    waiting = queue.SimpleQueue()
    for conversation in conversations:
        waiting.put(conversation)
    left = sum(len(turns) for turns in traffic["sessions"])
    lock = threading.Lock()
    answers, failures = [], []

    def client():
        nonlocal left
        while (conversation := waiting.get()) is not None:
            try:
                answers.append(conversation.ask(server, traffic["max_tokens"]))
            except Exception as failure:  # told to whoever measures; the others must not hang
                failures.append(repr(failure))
            if conversation.turn < len(conversation.turns) and not failures:
                waiting.put(conversation)
            with lock:
                left -= 1
                done = left <= 0 or failures
            if done:
                for _ in range(traffic["clients"]):
                    waiting.put(None)

    clients = [threading.Thread(target=client) for _ in range(traffic["clients"])]
    started = time.perf_counter()
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    seconds = time.perf_counter() - started
    if failures:
        raise RuntimeError(failures[0])
    return {"seconds": seconds, "answers": answers}


def main(slots, model, context_tokens, threads):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(line):
        print(line, file=answers, flush=True)

    server = load(slots, model, context_tokens, threads)
    say("ready")
    for line in sys.stdin:
        say(json.dumps(serve(server, json.loads(line))))


if __name__ == "__main__":
    main(*sys.argv[1:])
