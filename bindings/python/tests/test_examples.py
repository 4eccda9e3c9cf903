"""The examples, run as their users run them, on this interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples" / "python"

#: What each example prints, whatever the model's mood.
PRINTS = {
    "asyncio_tasks.py": r"red: a.*\ngreen: a.*\nblue: a.*\n(.*\n)+the story took too long, and was cancelled\n",
    "chat.py": r"(.*\n)+\d+ prompt tokens, \d+ completion tokens, finished: (stop|length), .*\n",
    "concurrent_threads.py": r"(.*\n){8}\d+ tokens in \d+ steps\n",
    "errors.py": r"model_load: .*\ninvalid_request: .*\ncontext_overflow: .*\ndeadline_exceeded: .*\n.+\n",
    "prefix_cache.py": r"\d+ tokens are kept\n(.* prompt tokens cached \(resident\), .*\n){2}another tenant: 0 cached\nhit rate 0\.\d+\nresident: .*\nhost: .*\ndisk: 0 tokens, 0 of 0 bytes\n",
    "response_cache.py": r".* computed, .* ms\n.* response, .* ms\nanother tenant: computed\n.* semantic, distance 0\.\d+\n.* computed, distance None\nhit rate 0\.33\n4 answers forgotten\nnot_cached: ask again without only_if_cached\n",
    "stream.py": r"(.*\n)+\[(stop|length) after \d+ tokens\]\n",
    "structured.py": r".*, (France|Italy|Norway): \d+\nchoice: (yes|no)\nregex: 20\d\d-(0[1-9]|1[0-2])\n\{.*\}\n(invalid_request|unsupported): json_schema\n",
    "tools.py": r"finished: tool_calls\nweather\((Oslo|Paris|Rome), (celsius|fahrenheit)\)\n(.*\n)+",
}

#: Those that need a client of somebody else's are run by its tests, in `clients`.
OF_CLIENTS = ["openai_sdk.py"]


def test_every_example_is_run() -> None:
    assert sorted([*PRINTS, *OF_CLIENTS]) == sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", sorted(PRINTS))
def test_example_runs(name: str, model: str) -> None:
    command = [sys.executable, str(EXAMPLES / name), model]
    ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert re.fullmatch(PRINTS[name], ended.stdout), ended.stdout
