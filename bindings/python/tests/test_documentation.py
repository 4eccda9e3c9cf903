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
        for attribute, member in vars(item).items():
            is_public = not attribute.startswith("_")
            if is_public and (callable(member) or isinstance(member, (property, classmethod))):
                assert inspect.getdoc(member), f"{name}.{attribute}"


def test_help_names_every_option() -> None:
    text = pydoc.plain(pydoc.render_doc(indwell.Engine.chat))
    for option in indwell.RequestOptions.__annotations__:
        assert f"{option}: " in text, option
    prefix = pydoc.plain(pydoc.render_doc(indwell.Engine.cache_prefix))
    for option in indwell.PrefixOptions.__annotations__:
        assert f"{option}: " in prefix, option
    for option in indwell.EngineOptions.__annotations__:
        assert f"{option}: " in (indwell.Engine.__doc__ or ""), option
