"""Python programs in a process of their own, for tests of signals, forks and exits."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import indwell
from default_model import MODEL
from waiting import DEADLINE_S


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    exit_code: int
    stdout: str
    stderr: str


def run_python(program: str) -> Ended:
    """Runs `program`, which finds `indwell`, `MODEL` and the tests' modules, to its end."""
    package_dir = os.path.dirname(os.path.dirname(os.path.abspath(indwell.__file__)))
    tests_dir = os.path.dirname(os.path.abspath(__file__))
    path = os.pathsep.join([package_dir, tests_dir])
    prelude = f"import sys\nMODEL = {MODEL!r}\nimport indwell\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
