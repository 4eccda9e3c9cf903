"""What users read: docstrings, and what help() says."""

from __future__ import annotations

import inspect
import pydoc

import indwell


def test_everything_public_is_documented() -> None:
    for name in indwell.__all__:
        item = getattr(indwell, name)
        if not (inspect.isclass(item) or inspect.isfunction(item)):
            continue
        assert inspect.getdoc(item), name
        for part in inspect.getmro(item) if inspect.isclass(item) else ():
            if part.__module__.startswith("indwell."):
                check_members(part)


def check_members(part: type) -> None:
    for attribute, member in vars(part).items():
        is_public = not attribute.startswith("_")
        if is_public and (callable(member) or isinstance(member, (property, classmethod))):
            assert inspect.getdoc(member), f"{part.__name__}.{attribute}"


def test_help_names_every_option() -> None:
    text = pydoc.plain(pydoc.render_doc(indwell.Engine.chat))
    for option in indwell.ChatOptions.__annotations__:
        assert f"{option}: " in text, option
    completion = pydoc.plain(pydoc.render_doc(indwell.Engine.complete))
    for option in set(indwell.CompletionOptions.__annotations__) - set(
        indwell.RequestOptions.__annotations__
    ):
        assert f"{option}: " in completion, option
    prefix = pydoc.plain(pydoc.render_doc(indwell.Engine.cache_prefix))
    for option in indwell.PrefixOptions.__annotations__:
        assert f"{option}: " in prefix, option
    for option in indwell.EngineOptions.__annotations__:
        assert f"{option}: " in (indwell.Engine.__doc__ or ""), option
