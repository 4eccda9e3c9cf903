"""Asking an engine: chats and completions, blocking and for asyncio, with every option told.

`Asking` is what `Engine` has of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Coroutine, Iterator, Literal, Union, overload

from . import _native
from .message import Messages, characters
from .options import ChatOptions, CompletionOptions
from .reply import Reply
from .stream import AsyncTokenStream, TokenStream

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Longer prompts are sent from a thread where the event loop would have to wait. Tokenizing this
#: much takes a few milliseconds.
INLINE_CHARACTERS_MAX = 4096


class Asking:
    """What `Engine` has for questions."""

    _native: _native.Engine

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> Reply: ...
    @overload
    def chat(
        self, messages: Messages, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> TokenStream: ...
    @overload
    def chat(
        self, messages: Messages, *, stream: bool, **options: Unpack[ChatOptions]
    ) -> Union[Reply, TokenStream]: ...
    def chat(
        self, messages: Messages, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> Union[Reply, TokenStream]:
        """Answers a conversation.

        Without `stream`, waits for the whole answer, with the interpreter released; Ctrl-C gets
        through and cancels the request.

        Args:
            messages: A string, which is one message of the user, or a list of messages: `Message`
                objects, or dicts such as `{"role": "user", "content": "Hello"}`, OpenAI's included.
            stream: Whether to return at once, with a `TokenStream` that yields the answer as it is
                made.
            max_tokens: The longest answer, in tokens, at least 1. Default: the engine's
                `default_max_tokens`.
            min_tokens: The shortest answer, in tokens: nothing ends it before. Default 0.
            stop: A string or up to 64, none empty or longer than 1024 bytes; the answer ends before
                the first that it would contain.
            stop_tokens: Ids of up to 64 tokens that end the answer before themselves, too.
            ignore_eos: Whether the model may not end the answer itself. Default False.
            banned_strings: Up to 256 texts that never appear in the answer.
            temperature: 0, the default, always takes the likeliest token; higher is more varied.
            dynatemp_range: How far the temperature may move from `temperature`, with how undecided
                the model is. Default 0.
            dynatemp_exponent: The power of that movement. Default 1.
            top_k: Samples among the so many likeliest tokens; 0, the default, among all.
            top_p: Samples among the likeliest tokens that together have this probability; above 0,
                to 1, the default.
            min_p: Leaves out tokens less likely than this share of the likeliest one's probability;
                0, the default, to 1.
            typical_p: Samples among tokens of this probability together that are about as
                surprising as is to be expected; above 0, to 1, the default.
            top_n_sigma: Samples among tokens whose logits are within so many standard deviations of
                the largest; 0, the default, among all.
            xtc_probability: How often the likeliest tokens are left out, 0, the default, to 1.
            xtc_threshold: Which ones: all but the least likely of those with at least this
                probability. Default 0.1.
            dry_multiplier: How much is taken from the logits of tokens that would repeat a sequence
                that was said before: this, times `dry_base` for each token by which the sequence is
                longer than `dry_allowed_length`. Default 0, which is off.
            dry_base: See there. Default 1.75.
            dry_allowed_length: See there, in tokens. Default 2.
            dry_penalty_last_n: How many tokens it looks back. Default 64.
            dry_sequence_breakers: Texts that no such sequence goes beyond. Default: a line's end, a
                colon, a double quote and an asterisk.
            repeat_penalty: Divides the logits of tokens that were said; 1, the default, is off.
            repeat_last_n: How many tokens this and the next two look back. Default 64.
            presence_penalty: Is taken from the logits of tokens that were said. Default 0.
            frequency_penalty: Is taken from them for each time that they were. Default 0.
            mirostat: Version 1 or 2 of Mirostat, which holds the answer's surprise at a target, in
                the place of other filters; 0, the default, is off.
            mirostat_tau: That target, in bits. Default 5.
            mirostat_eta: How fast it is learnt. Default 0.1.
            samplers: Which samplers act, in their order, by llama.cpp's names. Default:
                "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc",
                "temperature".
            logit_bias: What is added to tokens' logits: a dict from a token's id, as text, or any
                text to a number, or to False for never; or a list of such pairs.
            seed: Makes sampling repeatable, 0 to 4294967294. Default: a new one for each request.
            n: How many answers, 1 to 128; the others are the reply's `alternatives`. Default 1.
            best_of: How many are computed, for the `n` likeliest to be told. Default: `n`.
            logprobs: Whether to tell each token's log-probability. Default False.
            top_logprobs: Of how many of the likeliest tokens in each place, too, 0 to 20. Default
                0.
            prompt_logprobs: Whether to tell the prompt's tokens in the same way. Default False.
            json_schema: Has the answer be JSON that fits this schema: a dict, JSON text, or a class
                of pydantic's models. Of this and the next five, give one at most.
            json_object: Whether it has to be a JSON object.
            regex: Has the whole answer match this regular expression.
            choice: Has the answer be one of these texts.
            lark: Has the answer fit this grammar, in Lark's syntax.
            gbnf: Has the answer fit this grammar, in llama.cpp's.
            tools: Tools that the model may call: dicts of "name", "description" and "parameters",
                which is the JSON schema of the arguments (`ToolDict`), or OpenAI's dicts.
            tool_choice: "auto", the default, leaves calling to the model; "none" has it call none,
                "required" at least one, and `{"name": NAME}` that one.
            parallel_tool_calls: Whether it may call several in one answer. Default True, but False
                where `tool_choice` names one.
            documents: Dicts that a template for retrieval puts into the prompt.
            template_args: Arguments for the model's template, such as
                `{"enable_thinking": False}`.
            continue_final_message: Whether the last message, of the assistant, is the answer's
                beginning, to be continued. Default False.
            separate_reasoning: Whether what the model thinks before it answers is told apart, as
                `reasoning`. Default True.
            timeout_ms: How long the request may take, waiting included, in milliseconds. Default:
                no limit.
            logprobs: Whether to tell each token's log-probability. Default False.
            cache: "use", the default, is answered by what is stored for the same request, if that
                is greedy or has a seed, else takes what is cached of the prompt, and leaves both
                for others. "bypass" computes all of it anew and leaves nothing behind. "refresh"
                computes the answer anew, and stores it. "only_if_cached" computes nothing:
                `NotCachedError` where no answer is stored.
            cache_salt: Shares stored answers and cached prefixes with the requests of the same salt
                alone: 1 to 1024 bytes, one text for each tenant. Default: shared with all others
                that give none.
            cache_ttl_ms: How long the answer is kept, in milliseconds. Default: the engine's
                `response_cache_ttl_ms`.
            semantic: Also takes the stored answer to an earlier question that means the same: a
                `Semantic`, which says what does. Default: the same request's alone.

        Returns:
            A `Reply`, or a `TokenStream` if `stream` is true.

        Raises:
            InvalidRequestError: If there are no messages, or an option is unknown, of the wrong
                type, out of range, or contradicts another.
            ContextOverflowError: If the conversation leaves no room for an answer in the context.
            OverloadedError: If the queue is full; `retry_after_ms` says when to try again.
            DeadlineExceededError: If `timeout_ms` is over before the answer is whole.
            NotCachedError: If `cache` is "only_if_cached" and no answer is stored.
            UnsupportedError: If the model has no chat template, a message holds what is no text, or
                a schema asks for what cannot be kept.
            EngineClosedError: If the engine is closed, or is while the request runs.
            ForkedError: If the process was forked after the engine was loaded.

        With `stream`, what goes wrong after the request was accepted is raised while the stream is
        read.

        Example:
            >>> reply = engine.chat("What is the capital of France?", max_tokens=32)
            >>> print(reply.text, reply.usage.total_tokens)
            >>> person = {"type": "object", "properties": {"name": {"type": "string"}}}
            >>> json.loads(engine.chat("Name a person.", json_schema=person).text)
            >>> with engine.chat("Tell me a story.", stream=True) as stream:
            ...     for event in stream:
            ...         if event.type == "text":
            ...             print(event.text, end="", flush=True)
        """
        opened = TokenStream(self._native.chat(messages, dict(options)), self)
        return opened if stream else opened.reply()

    @overload
    def complete(
        self, prompt: str, *, stream: Literal[False] = False, **options: Unpack[CompletionOptions]
    ) -> Reply: ...
    @overload
    def complete(
        self, prompt: str, *, stream: Literal[True], **options: Unpack[CompletionOptions]
    ) -> TokenStream: ...
    @overload
    def complete(
        self, prompt: str, *, stream: bool, **options: Unpack[CompletionOptions]
    ) -> Union[Reply, TokenStream]: ...
    def complete(
        self, prompt: str, *, stream: bool = False, **options: Unpack[CompletionOptions]
    ) -> Union[Reply, TokenStream]:
        """Continues a text, as it stands: no chat template is put around it.

        Args:
            prompt: The text to continue; not empty.
            stream: Whether to return at once, with a `TokenStream` that yields the text as it is
                made.
            parse_special: Whether the prompt's control tokens, such as "<|im_start|>", are read as
                such; never for text that somebody else wrote. Default False.
            max_tokens: As in `chat`, and so are all its other options from min_tokens to gbnf, and
                timeout_ms, cache, cache_salt, cache_ttl_ms and semantic.

        Returns:
            A `Reply`, or a `TokenStream` if `stream` is true.

        Raises:
            InvalidRequestError: If the prompt is empty, or an option is unknown, of the wrong type,
                or out of range.
            Error: What `chat` raises.

        Example:
            >>> engine.complete("The capital of France is", max_tokens=8, stop=["."]).text
        """
        opened = TokenStream(self._native.complete(prompt, dict(options)), self)
        return opened if stream else opened.reply()

    @overload
    def achat(
        self,
        messages: Messages,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> Coroutine[Any, Any, Reply]: ...
    @overload
    def achat(
        self, messages: Messages, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> AsyncTokenStream: ...
    @overload
    def achat(
        self, messages: Messages, *, stream: bool, **options: Unpack[ChatOptions]
    ) -> Union[Coroutine[Any, Any, Reply], AsyncTokenStream]: ...
    def achat(
        self, messages: Messages, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> Union[Coroutine[Any, Any, Reply], AsyncTokenStream]:
        """`chat` for asyncio: the same arguments and errors, and the event loop is never blocked.

        Cancelling the task that waits or reads cancels the request.

        Returns:
            Something to await for a `Reply`; with `stream`, an `AsyncTokenStream` for `async for`,
            with no `await` before it. The request is sent when that is awaited or read.

        Example:
            >>> reply = await engine.achat("Hello")
            >>> async with engine.achat("Tell me a story.", stream=True) as stream:
            ...     async for event in stream:
            ...         if event.type == "text":
            ...             print(event.text, end="", flush=True)
        """
        conversation = list(messages) if isinstance(messages, Iterator) else messages
        opened = AsyncTokenStream(
            self,
            lambda: self._native.chat(conversation, dict(options)),
            is_long=characters(conversation) > INLINE_CHARACTERS_MAX,
        )
        return opened if stream else opened.reply()

    @overload
    def acomplete(
        self, prompt: str, *, stream: Literal[False] = False, **options: Unpack[CompletionOptions]
    ) -> Coroutine[Any, Any, Reply]: ...
    @overload
    def acomplete(
        self, prompt: str, *, stream: Literal[True], **options: Unpack[CompletionOptions]
    ) -> AsyncTokenStream: ...
    @overload
    def acomplete(
        self, prompt: str, *, stream: bool, **options: Unpack[CompletionOptions]
    ) -> Union[Coroutine[Any, Any, Reply], AsyncTokenStream]: ...
    def acomplete(
        self, prompt: str, *, stream: bool = False, **options: Unpack[CompletionOptions]
    ) -> Union[Coroutine[Any, Any, Reply], AsyncTokenStream]:
        """`complete` for asyncio: the same arguments and errors, and the event loop is never
        blocked.

        Cancelling the task that waits or reads cancels the request.

        Returns:
            Something to await for a `Reply`; with `stream`, an `AsyncTokenStream` for `async for`,
            with no `await` before it. The request is sent when that is awaited or read.

        Example:
            >>> reply = await engine.acomplete("The capital of France is", max_tokens=8)
        """
        opened = AsyncTokenStream(
            self,
            lambda: self._native.complete(prompt, dict(options)),
            is_long=characters(prompt) > INLINE_CHARACTERS_MAX,
        )
        return opened if stream else opened.reply()
