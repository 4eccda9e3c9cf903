"""The exceptions as Python objects."""

from __future__ import annotations

import copy
import pickle
from typing import Type

import indwell
import pytest

CLASSES = [
    cls
    for cls in vars(indwell).values()
    if isinstance(cls, type) and issubclass(cls, indwell.Error)
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_survives_pickling_and_copying(cls: Type[indwell.Error]) -> None:
    error = cls("what happened", field="f", value="v", limit="l", remedy="r", retry_after_ms=5)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is cls
        assert vars(other) == vars(error)
        assert str(other) == "what happened"
        assert other.kind == cls.kind


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (indwell.InvalidRequestError, ValueError),
        (indwell.DeadlineExceededError, TimeoutError),
        (indwell.OutOfMemoryError, MemoryError),
        (indwell.IoError, OSError),
    ],
)
def test_an_error_is_also_pythons_own(cls: Type[indwell.Error], builtin: Type[Exception]) -> None:
    assert issubclass(cls, indwell.Error) and issubclass(cls, builtin)


def test_there_is_one_class_for_each_kind() -> None:
    kinds = {cls.kind for cls in CLASSES if cls is not indwell.Error}
    assert len(kinds) == len(CLASSES) - 1 == 14


def test_records_survive_pickling(engine: indwell.Engine) -> None:
    for record in (
        engine.complete("1 2 3", max_tokens=2, logprobs=True),
        engine.stats(),
        engine.model,
        indwell.Message("user", "Hello"),
        *engine.complete("1 2 3", stream=True, max_tokens=2),
    ):
        assert pickle.loads(pickle.dumps(record)) == record
