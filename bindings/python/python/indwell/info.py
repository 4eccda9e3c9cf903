"""What the engine tells of itself: its model, its counters, its devices, and how far loading is.

The native module builds these classes by position: the order of their fields is a contract with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, Literal, Optional

from . import _native


@dataclass(frozen=True)
class ModelInfo:
    """A loaded model.

    Attributes:
        name: Its own name, or else its file's.
        path: The GGUF file.
        description: The architecture, size and quantization in short, as llama.cpp puts it.
        parameters: How many weights it has.
        size_bytes: The weights' size.
        vocabulary_size: How many tokens it knows.
        trained_context_tokens: The longest context it was trained for.
        context_tokens: The longest context of one request on this engine, prompt and answer
            together.
        has_chat_template: Whether it says how to write a conversation, in a way that is understood
            here; without it, `chat` raises `UnsupportedError`.
    """

    name: str
    path: Path
    description: str
    parameters: int
    size_bytes: int
    vocabulary_size: int
    trained_context_tokens: int
    context_tokens: int
    has_chat_template: bool


@dataclass(frozen=True)
class EngineStats:
    """An engine's counters since it was loaded.

    Attributes:
        steps: Batches that were decoded; each served every request that ran.
        prompt_tokens: Prompt tokens that were computed.
        completion_tokens: Tokens that were generated.
        requests_running: Requests that hold a sequence now.
        requests_waiting: Requests in the queue now, those that gave way to others included.
        requests_finished: Requests that ended by themselves.
        requests_cancelled: Requests that were cancelled.
        requests_failed: Requests that failed, deadlines included.
        cells_used: Cells of the KV cache that are taken now; one cell holds one token.
        cells_total: All cells of the KV cache.
        preemptions: How often a request gave its cells up to others, as answers outgrew what there
            is or its reader was behind. It goes on later, with the same answer.
        recomputed_tokens: Tokens that were computed once more because of it.
        drafted_tokens: Tokens that were drafted and verified in a batch (`speculation`).
        accepted_tokens: Those of them that were right: tokens of answers without a step of their own.
        prefix_cache_queries: Prompt tokens of admitted requests that take part in the prefix cache.
        prefix_cache_hits: Those of them that were cached, and not computed anew.
        response_cache_queries: Requests that a stored answer could have served.
        response_cache_hits: Those of them that were not computed: a stored answer served them, or
            they shared the computation of another.
        restarts: Times that the process which computes was started again, where it is one of its
            own (`isolation`).
    """

    steps: int
    prompt_tokens: int
    completion_tokens: int
    requests_running: int
    requests_waiting: int
    requests_finished: int
    requests_cancelled: int
    requests_failed: int
    cells_used: int
    cells_total: int
    preemptions: int
    recomputed_tokens: int
    drafted_tokens: int
    accepted_tokens: int
    prefix_cache_queries: int
    prefix_cache_hits: int
    response_cache_queries: int
    response_cache_hits: int
    restarts: int

    @property
    def prefix_cache_hit_rate(self) -> float:
        """How much of the prompts was cached, of what was looked for: 0 to 1, and 0 as long as
        nothing was looked for.
        """
        queries = self.prefix_cache_queries
        return self.prefix_cache_hits / queries if queries else 0.0

    @property
    def response_cache_hit_rate(self) -> float:
        """How many of the requests that a stored answer could have served were not computed: 0 to
        1, and 0 as long as there were none.
        """
        queries = self.response_cache_queries
        return self.response_cache_hits / queries if queries else 0.0


@dataclass(frozen=True)
class EngineMemory:
    """What an engine takes of memory, in bytes, all devices together.

    Weights that are mapped from their file count in full, though the system can drop them from
    memory and read them again.

    Attributes:
        budget_bytes: What it may take: the option `memory_bytes`. None where nothing was said.
        limit_bytes: The most that it can come to, both caches full: never more than the budget.
        weights_bytes: The model's weights.
        kv_bytes: Cells of the KV cache, used or not, and recurrent states.
        scratch_bytes: What computing a step takes, logits included.
        host_cache_bytes: Snapshots of cached prefixes in the host's memory.
        response_cache_bytes: Stored answers and their questions.
    """

    budget_bytes: Optional[int]
    limit_bytes: int
    weights_bytes: int
    kv_bytes: int
    scratch_bytes: int
    host_cache_bytes: int
    response_cache_bytes: int

    @property
    def total_bytes(self) -> int:
        """What the engine takes now, all together."""
        fixed = self.weights_bytes + self.kv_bytes + self.scratch_bytes
        return fixed + self.host_cache_bytes + self.response_cache_bytes


@dataclass(frozen=True)
class CacheTierStats:
    """One tier of the prefix cache. A tier that is off has a capacity of 0.

    Attributes:
        entries: Pieces of prefixes: runs of tokens that are kept and given up as one.
        tokens: Tokens in them.
        bytes: Bytes they take.
        capacity_bytes: Bytes they may take. Of the resident tier, bytes that no running request
            uses; pinned prefixes are not counted.
        hits: Requests that found something here, and nothing in a slower tier. Only grows.
        hit_tokens: Tokens that these requests did not compute. Only grows.
        evictions: Entries given up for want of room. Only grows.
    """

    entries: int
    tokens: int
    bytes: int
    capacity_bytes: int
    hits: int
    hit_tokens: int
    evictions: int


@dataclass(frozen=True)
class ResponseCacheStats:
    """The response cache. One that is off has a capacity of 0.

    Attributes:
        entries: Answers that are kept.
        bytes: Bytes they take, bookkeeping included.
        capacity_bytes: Bytes they may take.
        hits: Requests that a stored answer to the same question served. Only grows.
        shared: Requests that shared the computation of another. Only grows.
        semantic_hits: Requests that the answer to a question that means the same served. Only
            grows.
        misses: Requests that could have been served so, but were computed or refused. Only grows.
        evictions: Answers given up for want of room. Only grows.
    """

    entries: int
    bytes: int
    capacity_bytes: int
    hits: int
    shared: int
    semantic_hits: int
    misses: int
    evictions: int


@dataclass(frozen=True)
class CacheStats:
    """What an engine's caches hold and have done.

    Attributes:
        resident: In the memory that the model computes in.
        host: Snapshots in the host's memory.
        disk: Snapshots in files.
        pinned_tokens: Tokens of prefixes that `Engine.cache_prefix` keeps.
        response: Complete answers.
    """

    resident: CacheTierStats
    host: CacheTierStats
    disk: CacheTierStats
    pinned_tokens: int
    response: ResponseCacheStats


@dataclass(frozen=True)
class Device:
    """Something that can compute.

    Attributes:
        name: llama.cpp's name for it, such as "CPU" or "CUDA0".
        description: The vendor's name for it.
        kind: "cpu", "gpu", "integrated_gpu" (one that shares the CPU's memory) or "accelerator".
        memory_free_bytes: Memory that is free now; 0 where the backend cannot tell.
        memory_total_bytes: All its memory; 0 where the backend cannot tell.
    """

    name: str
    description: str
    kind: Literal["cpu", "gpu", "integrated_gpu", "accelerator"]
    memory_free_bytes: int
    memory_total_bytes: int


@dataclass(frozen=True)
class Progress:
    """How far loading is.

    Attributes:
        stage: "fetch" while the model is downloaded, "verify" while it is checked, "load" while it
            is read.
        done: How much is done: bytes, or thousandths in "load".
        total: How much there is to do, in the same unit, if that is known.
    """

    stage: Literal["fetch", "verify", "load"]
    done: int
    total: Optional[int]


def devices() -> List[Device]:
    """The devices that this machine can compute on.

    Raises:
        UnsupportedError: If not even a backend for the CPU was found.

    Example:
        >>> any(device.kind == "cpu" for device in indwell.devices())
        True
    """
    return _native.devices()
