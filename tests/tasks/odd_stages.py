"""Stages that misbehave, for tests of the process that computes them. ``params["file"]`` takes their process ids."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
import weakref
from pathlib import Path

from core.errors import OutOfMemory
from core.progress import Progress
from tasks.slots import slot
from tasks.worker import WAITING, StageCall, StageOutput


class Large:
    """Stands for what a stage holds in memory."""


HELD: weakref.WeakSet[Large] = weakref.WeakSet()


def compute(call: StageCall, progress: Progress) -> StageOutput:
    file = Path(call.params["file"])
    pids = [os.getpid()]
    if call.stage == "tool":
        pids.append(subprocess.Popen(["sleep", "1000"]).pid)
    file.write_text(" ".join(map(str, pids)))
    if call.stage == "slot":
        with slot("test", lambda: progress(WAITING, 0, 1), file.parent):
            time.sleep(0.1)
    if call.stage == "holds the interpreter":
        ctypes.PyDLL(None).sleep(1000)  # as a C library that never comes back: no thread of Python runs any more
    if call.stage == "out of memory":
        large = Large()
        HELD.add(large)
        raise OutOfMemory("There was not enough memory.")
    if call.stage == "what is held":
        return StageOutput({"count": str(len(HELD)).encode()})
    while call.stage in ("sleeps", "tool"):
        time.sleep(0.1)
    return StageOutput({"pid": file.read_bytes()})
