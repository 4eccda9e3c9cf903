"""mistral.rs as a client of `serving`, loaded into this process by its wheel.

It chooses its own threads and its own cache's size. Only chats can be streamed, so each prompt is
a chat of one message, and has the chat template's tokens besides.
"""

import pathlib

import mistralrs
import schedule


def load(sequences, model, _context_tokens, _threads):
    path = pathlib.Path(model)
    which = mistralrs.Which.GGUF(
        quantized_model_id=str(path.parent), quantized_filename=path.name
    )
    runner = mistralrs.Runner(which=which, max_seqs=int(sequences))

    def ask(prompt, max_tokens, text):
        request = mistralrs.ChatCompletionRequest(
            model="default",
            messages=prompt,
            max_tokens=max_tokens,
            temperature=0.0,
            stream=True,
        )
        usage = None
        for chunk in runner.send_chat_completion_request(request):
            if any(choice.delta.content for choice in chunk.choices):
                text()
            usage = chunk.usage or usage
        return usage.prompt_tokens, None, usage.completion_tokens

    return ask


schedule.run(load)
