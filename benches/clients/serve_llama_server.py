"""llama-server as a client of `serving`: xllamacpp runs llama.cpp's own server in this process."""

import llama_server
import schedule


def load(slots, model, context_tokens, threads):
    server = llama_server.load(slots, model, context_tokens, threads)

    def ask(prompt, max_tokens, text):
        usage, timings = {}, {}

        def take(chunk):
            if "choices" not in chunk:
                raise RuntimeError(f"llama-server answered {chunk}")
            if any(choice["text"] for choice in chunk["choices"]):
                text()
            usage.update(chunk.get("usage") or {})
            timings.update(chunk.get("timings") or {})

        request = {
            "prompt": prompt,
            "max_tokens": max_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        server.handle_completions(request, take)
        return usage["prompt_tokens"], timings.get("cache_n", 0), usage["completion_tokens"]

    return ask


schedule.run(load)
