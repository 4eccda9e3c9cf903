"""The model that the tests run on, apart from the fixtures: a folder below has a `conftest` too."""

from __future__ import annotations

import os

#: A path or an alias.
MODEL = os.environ.get("INDWELL_TEST_MODEL", "smollm2-135m")
