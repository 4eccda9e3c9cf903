"""What the clients' tests share: the model's name, clients of OpenAI's SDK, and a server of the
command line's beside the engine in this process.

They run in an environment of their own (`requirements.txt`); elsewhere they are not collected.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from typing import TYPE_CHECKING, Iterator

import indwell
import pytest

if TYPE_CHECKING:
    from openai import OpenAI

if importlib.util.find_spec("openai") is None:
    collect_ignore_glob = ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    # What the clients warn of among themselves is not ours to mend.
    config.addinivalue_line("filterwarnings", "default")


@pytest.fixture
def name(engine: indwell.Engine) -> str:
    """What the model is called in requests."""
    return engine.model.name


@pytest.fixture
def local(engine: indwell.Engine) -> Iterator[OpenAI]:
    """OpenAI's client, on the engine in this process."""
    from forms import KEY
    from openai import OpenAI

    with OpenAI(api_key=KEY, http_client=engine.httpx_client(), max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def server(model: str) -> Iterator[str]:
    """The address of `indwell serve`, in a process of its own."""
    program = os.environ.get("INDWELL_PROGRAM")
    if program is None:
        pytest.skip("INDWELL_PROGRAM names no program to serve with")
    command = [program, "serve", model, "--port", "0", "--context-tokens", "4096"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = re.search(r"http://\S+", said)
        assert address, f"serve said {said!r}"
        yield address.group()
        process.terminate()
        assert process.wait(timeout=60) == 0


@pytest.fixture(params=["in process", "over HTTP"])
def client(request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    """OpenAI's client, on the engine in this process and on the server."""
    from forms import KEY
    from openai import OpenAI

    if request.param == "in process":
        yield request.getfixturevalue("local")
        return
    url = request.getfixturevalue("server")
    with OpenAI(api_key=KEY, base_url=url, max_retries=0) as client:
        yield client
