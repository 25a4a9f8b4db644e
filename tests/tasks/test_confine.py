"""What a decoder that a photo has taken over can reach: tried for real, by a stage that tries."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hostile_stages
import pytest

from tasks.confine import memory_of_this_machine, without_secrets
from tasks.worker import StageCall, StageWorker

SECRETS = {
    "MESHMILL_DATABASE_URL": "postgresql://meshmill:hunter2@db/meshmill",
    "MESHMILL_S3_SECRET_KEY": "hunter2",
    "MESHMILL_WEBHOOK_SECRET": "hunter2",
    "PGPASSWORD": "hunter2",
    "PREFECT_API_AUTH_STRING": "meshmill:hunter2",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "HF_TOKEN": "hunter2",
    "SMTP_PASSWORD": "hunter2",
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: socket.socket) -> Iterator[dict[str, str]]:
    """What each attempt came to."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    worker = StageWorker(hostile_stages.compute, "hostile")
    call = StageCall("segment", {}, {"port": listener.getsockname()[1], "folder": str(tmp_path)})
    output = worker.call(call, lambda *_, **__: None, 300)
    yield json.loads(output.files["found.json"])
    worker.close()


ALLOWED = {"environment", "its own /proc/environ"}
BY = {
    "processes": {"the run's environment", "the run's memory", "the run's environment by a child"},
    "network": {"tcp", "tcp over IPv6", "udp", "http", "a socket by io_uring", "a connection by a child"},
    "memory": {"memory"},
    "files": {"disk"},
}
"""What each part of the confinement refuses."""


def offered() -> set[str]:
    """What this kernel holds; an older one holds less."""
    code = "from tasks.confine import confine; print(*confine())"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return set(
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout.split()
    )


def test_a_decoder_that_was_taken_over_reaches_nothing(found: dict[str, str]) -> None:
    assert "hunter2" not in json.dumps(found)
    refused = set().union(*(BY[part] for part in offered()))
    through = {name for name, answer in found.items() if answer.startswith("got")}
    assert through >= ALLOWED
    assert not through & refused
    assert set(found) == ALLOWED.union(*BY.values())


def test_a_kernel_of_today_holds_all_of_it() -> None:
    """Linux 5.13, of 2021, has all that is used."""
    if tuple(map(int, os.uname().release.split(".")[:2])) < (5, 13):
        pytest.skip(f"Linux {os.uname().release} has no Landlock")
    assert offered() == set(BY)


def test_without_confinement_each_of_these_gets_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: socket.socket
) -> None:
    """Or the test above would prove nothing."""
    folder = Path(hostile_stages.__file__).parent
    code = (
        f"import sys, json; sys.path[:0] = [{str(folder)!r}, {str(folder.parents[1])!r}]\n"
        "import hostile_stages; from tasks.worker import StageCall\n"
        f"call = StageCall('x', {{}}, {{'port': {listener.getsockname()[1]}, 'folder': {str(tmp_path)!r}}})\n"
        "print(hostile_stages.compute(call, None).files['found.json'].decode())"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | SECRETS, capture_output=True, timeout=300)
    found = json.loads(done.stdout)
    through = {name for name, answer in found.items() if answer.startswith("got")}
    assert {"tcp", "udp", "the run's environment", "a connection by a child"} <= through
    assert "hunter2" in found["environment"]


@pytest.mark.parametrize("name", ["PATH", "HOME", "CUDA_VISIBLE_DEVICES", "MESHMILL_HOME", "MESHMILL_TEST_SECONDS",
                                  "OMP_NUM_THREADS", "HF_HOME", "U2NET_HOME", "TMPDIR", "LANG"])  # fmt: skip
def test_what_a_stage_needs_stays(name: str) -> None:
    assert without_secrets({name: "x"}) == {name: "x"}


def test_a_lower_limit_stands() -> None:
    """A service manager's own limits are not an error."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (1 << 31, 1 << 31))\n"
        "from tasks.confine import confine; print(confine(), resource.getrlimit(resource.RLIMIT_DATA)[1] <= 1 << 31)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd(),
                          env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert memory_of_this_machine() > 1 << 28


def test_a_confined_stage_is_still_told_to_end(tmp_path: Path, listener: socket.socket) -> None:
    worker = StageWorker(hostile_stages.compute, "hostile")
    worker.start()
    assert worker._process is not None
    worker.close()
    assert worker._process is None or worker._process.returncode == -signal.SIGKILL
