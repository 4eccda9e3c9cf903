"""Indwell: a serving engine for language models that lives inside your process.

Any number of threads and asyncio tasks call one engine; it batches them and streams their tokens.

    import indwell

    with indwell.Engine("smollm2-135m") as engine:
        print(engine.chat("Hello").text)

        for event in engine.chat("Tell me a story.", stream=True, max_tokens=64):
            if event.type == "text":
                print(event.text, end="", flush=True)

In asyncio the same calls are `achat` and `acomplete`:

    async with await indwell.Engine.aload("smollm2-135m") as engine:
        reply = await engine.achat("Hello")
        async for event in engine.achat("Hello", stream=True): ...

OpenAI's SDK, and what is built on it, runs on an engine with no server between:

    client = openai.OpenAI(api_key="-", http_client=engine.httpx_client())

Every error is an `indwell.Error`, and its class says what to do about it.
"""

from ._native import VERSION as __version__
from .engine import Engine
from .errors import (
    CancelledError,
    ContextOverflowError,
    DeadlineExceededError,
    EngineClosedError,
    EnginePoisonedError,
    Error,
    ForkedError,
    InternalError,
    InvalidRequestError,
    IoError,
    ModelLoadError,
    NotCachedError,
    OutOfMemoryError,
    OverloadedError,
    UnsupportedError,
)
from .http import AsyncHttpResponse, HttpResponse
from .info import (
    CacheStats,
    CacheTierStats,
    Device,
    EngineMemory,
    EngineStats,
    ModelInfo,
    Progress,
    ResponseCacheStats,
    devices,
)
from .message import Message, MessageDict, ToolCall, ToolDict
from .options import (
    ChatOptions,
    CompletionOptions,
    EngineOptions,
    PrefixOptions,
    RequestOptions,
)
from .prefix import CachedPrefix
from .reply import (
    Choice,
    ChoiceFinished,
    Event,
    Finished,
    PromptLogprob,
    PromptLogprobs,
    ReasoningDelta,
    Reply,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from .semantic import Semantic, SemanticMatch
from .stream import AsyncTokenStream, TokenStream

__all__ = [
    "AsyncHttpResponse",
    "AsyncTokenStream",
    "CacheStats",
    "CacheTierStats",
    "CachedPrefix",
    "CancelledError",
    "ChatOptions",
    "Choice",
    "ChoiceFinished",
    "CompletionOptions",
    "ContextOverflowError",
    "DeadlineExceededError",
    "Device",
    "Engine",
    "EngineClosedError",
    "EngineOptions",
    "EnginePoisonedError",
    "EngineMemory",
    "EngineStats",
    "Error",
    "Event",
    "Finished",
    "ForkedError",
    "HttpResponse",
    "InternalError",
    "InvalidRequestError",
    "IoError",
    "Message",
    "MessageDict",
    "ModelInfo",
    "ModelLoadError",
    "NotCachedError",
    "OutOfMemoryError",
    "OverloadedError",
    "PrefixOptions",
    "Progress",
    "PromptLogprob",
    "PromptLogprobs",
    "ReasoningDelta",
    "Reply",
    "RequestOptions",
    "ResponseCacheStats",
    "Semantic",
    "SemanticMatch",
    "TextDelta",
    "Timings",
    "TokenLogprob",
    "TokenStream",
    "ToolCall",
    "ToolCallDelta",
    "ToolDict",
    "TopLogprob",
    "UnsupportedError",
    "Usage",
    "__version__",
    "devices",
]
