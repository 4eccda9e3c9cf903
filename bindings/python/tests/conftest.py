"""The engines that the tests share: loaded once, and idle between tests."""

from __future__ import annotations

from typing import Iterator

import indwell
import pytest
from default_model import MODEL
from waiting import wait_until


@pytest.fixture(scope="session")
def model() -> str:
    return MODEL


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[indwell.Engine]:
    # Without stored answers: tests that ask the same again mean it to be computed.
    with indwell.Engine(MODEL, response_cache_bytes=0) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: indwell.Engine) -> Iterator[indwell.Engine]:
    """An idle engine, which must be serving afterwards, with nothing left behind."""
    wait_until(lambda: is_idle(shared_engine))
    yield shared_engine
    wait_until(lambda: is_idle(shared_engine))
    assert not shared_engine.closed
    assert shared_engine.complete("One", max_tokens=1).usage.completion_tokens <= 1


@pytest.fixture
def own_engine() -> Iterator[indwell.Engine]:
    """An engine that a test may close or drop; it stores no answers."""
    with indwell.Engine(
        MODEL, context_tokens=2048, sequences_max=8, response_cache_bytes=0
    ) as engine:
        yield engine


def is_idle(engine: indwell.Engine) -> bool:
    stats = engine.stats()
    nothing_asked = stats.requests_running == 0 and stats.requests_waiting == 0
    return nothing_asked and stats.cells_used <= engine.caches().resident.tokens


@pytest.fixture(scope="module")
def answering_engine(model: str) -> Iterator[indwell.Engine]:
    with indwell.Engine(model, context_tokens=2048, sequences_max=8) as engine:
        yield engine


@pytest.fixture
def cached(answering_engine: indwell.Engine) -> indwell.Engine:
    """An engine that stores answers, and has none yet."""
    answering_engine.invalidate_responses()
    return answering_engine
