"""The process that computes stages: what hangs in it is really ended, whoever is left to end it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import odd_stages
import pytest

from core.errors import OutOfMemory, StageError, StageTimeout
from tasks.slots import slot
from tasks.worker import GRACE_SECONDS, StageCall, StageWorker

pytestmark = pytest.mark.server


@pytest.fixture
def worker() -> Iterator[StageWorker]:
    opened = StageWorker(odd_stages.compute, "odd")
    yield opened
    opened.close()


def nothing(*_: object, **__: object) -> None: ...


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


def gone(pids: list[int], seconds: float) -> float:
    """Seconds until none of the processes runs any more."""
    started = time.monotonic()
    while any(alive(pid) for pid in pids):
        assert time.monotonic() - started < seconds, "it still runs"
        time.sleep(0.05)
    return time.monotonic() - started


@pytest.mark.parametrize("kind", ["sleeps", "holds the interpreter", "tool"])
def test_a_stage_that_hangs_is_ended_with_all_it_started(worker: StageWorker, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "pids"
    with pytest.raises(StageTimeout, match="longer than 2 s and was stopped"):
        worker.call(StageCall(kind, {}, {"file": str(file)}), nothing, 2)
    hung = [int(pid) for pid in file.read_text().split()]
    gone(hung, 10)
    output = worker.call(StageCall("works", {}, {"file": str(file)}), nothing, 60)
    assert int(output.files["pid"]) not in hung, "the next stage has a new process"


def test_what_a_stage_held_when_memory_ran_out_is_free_for_the_next(worker: StageWorker, tmp_path: Path) -> None:
    params = {"file": str(tmp_path / "pids")}
    with pytest.raises(OutOfMemory):
        worker.call(StageCall("out of memory", {}, params), nothing, 60)
    assert worker.call(StageCall("what is held", {}, params), nothing, 60).files["count"] == b"0"


@pytest.mark.parametrize("moment", ["starts", "computes"])
def test_a_stage_whose_worker_is_closed_comes_back_with_a_domain_error(tmp_path: Path, moment: str) -> None:
    worker, file = StageWorker(odd_stages.compute, "odd"), tmp_path / "pids"
    ended: list[BaseException] = []

    def call() -> None:
        try:
            worker.call(StageCall("sleeps", {}, {"file": str(file)}), nothing, 60)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    deadline = time.monotonic() + 60
    while not (worker._process if moment == "starts" else file.exists()) and time.monotonic() < deadline:
        time.sleep(0.001)
    worker.close()
    thread.join(30)
    assert [type(error) for error in ended] == [StageError]
    with pytest.raises(StageError, match="closed"):
        worker.call(StageCall("works", {}, {"file": str(file)}), nothing, 60)


def test_a_hung_stage_whose_run_was_killed_ends_by_itself(tmp_path: Path) -> None:
    code = (
        "import sys, odd_stages; from tasks.worker import *\n"
        "if __name__ == '__main__':\n"
        "    call = StageCall('holds the interpreter', {}, {'file': sys.argv[1]})\n"
        "    StageWorker(odd_stages.compute, 'odd').call(call, lambda *a, **k: None, 2)\n"
    )
    script, file = tmp_path / "run.py", tmp_path / "pids"
    script.write_text(code)
    paths = {"PYTHONPATH": ":".join([str(Path(__file__).parents[2]), str(Path(__file__).parent)])}
    process = subprocess.Popen([sys.executable, str(script), str(file)], env=paths)
    deadline = time.monotonic() + 120
    while not (file.exists() and file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    gone([int(file.read_text())], 2 + GRACE_SECONDS + 20)


def test_the_slot_of_a_killed_holder_is_free_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from tasks.slots import slot\n"
        "with slot('test', lambda: None, pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); time.sleep(600)\n"
    )
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", code, str(tmp_path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": root})
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    waited = 0
    started = float("inf")

    def waiting() -> None:
        nonlocal waited, started
        waited += 1
        if waited == 3:
            started = time.monotonic()
            holder.kill()

    with slot("test", waiting, tmp_path):
        seconds = time.monotonic() - started
    holder.wait()
    assert waited >= 3, "nobody else had it while the holder lived"
    assert seconds < 60, "the dead one's slot is not held for its ten minutes"


def test_the_wait_for_a_slot_is_not_the_stages_time(worker: StageWorker, tmp_path: Path) -> None:
    call = StageCall("slot", {}, {"file": str(tmp_path / "pids")})
    with slot("test", nothing, tmp_path):
        done: list[float] = []
        thread = threading.Thread(target=lambda: done.append(worker.call(call, nothing, 3).seconds))
        thread.start()
        while not (tmp_path / "pids").exists():
            time.sleep(0.02)
        time.sleep(4)
        assert done == []
    thread.join()
    assert done
    assert done[0] < 3
