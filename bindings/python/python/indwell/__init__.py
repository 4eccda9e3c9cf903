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
from .info import (
    CacheStats,
    CacheTierStats,
    Device,
    EngineStats,
    ModelInfo,
    Progress,
    ResponseCacheStats,
    devices,
)
from .options import (
    CompletionOptions,
    EngineOptions,
    Message,
    MessageDict,
    PrefixOptions,
    RequestOptions,
)
from .prefix import CachedPrefix
from .reply import Event, Finished, Reply, TextDelta, Timings, TokenLogprob, Usage
from .semantic import Semantic, SemanticMatch
from .stream import AsyncTokenStream, TokenStream

__all__ = [
    "AsyncTokenStream",
    "CacheStats",
    "CacheTierStats",
    "CachedPrefix",
    "CancelledError",
    "CompletionOptions",
    "ContextOverflowError",
    "DeadlineExceededError",
    "Device",
    "Engine",
    "EngineClosedError",
    "EngineOptions",
    "EnginePoisonedError",
    "EngineStats",
    "Error",
    "Event",
    "Finished",
    "ForkedError",
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
    "Reply",
    "RequestOptions",
    "ResponseCacheStats",
    "Semantic",
    "SemanticMatch",
    "TextDelta",
    "Timings",
    "TokenLogprob",
    "TokenStream",
    "UnsupportedError",
    "Usage",
    "__version__",
    "devices",
]
