"""The example with OpenAI's SDK, run as its users run it, on this interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[4] / "examples" / "python" / "openai_sdk.py"

#: What it prints, whatever the model's mood: the same answer whole and streamed, and the rest.
PRINTS = (
    r"(?s)(.+)\n\1\nparsed: name='(Oslo|Paris|Rome)' is_capital=(True|False)\n"
    r"refused: temperature\n"
)


def test_the_example_runs(model: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(EXAMPLE), model],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(PRINTS, ended.stdout), ended.stdout
