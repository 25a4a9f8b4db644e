"""The Khronos validator, installed from npm's registry into the tests' cache; absent, its tests skip and say why."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from viewers import install_khronos, khronos_issues


@pytest.fixture(scope="session")
def khronos(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Validate GLB bytes: a list of issue reports, one a file."""
    folder = Path(request.config.cache.mkdir("khronos"))  # type: ignore[union-attr]
    if reason := install_khronos(folder):
        pytest.skip(reason)
    return partial(khronos_issues, folder)
