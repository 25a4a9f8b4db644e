"""The real stages for the kill test, made light: the views are computed once before it and played back, so that a run
need not import diffusers; SJC fits them without the score, leaves its checkpoint often and says where it goes on."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tasks import compute as real
from tasks.worker import StageCall, StageOutput


def compute(call: StageCall, progress: Any) -> StageOutput:
    from core.sjc import runner

    patch.object(runner, "CHECKPOINT_SECONDS", 0.1).start()
    patch.object(real, "_model", lambda path, device: None).start()
    if call.stage == "views":
        time.sleep(1)
        played = Path(os.environ["MESHMILL_TEST_VIEWS"]) / hashlib.sha256(call.inputs["cutout"]).hexdigest()
        return StageOutput({"views.npz": played.read_bytes()})
    if call.stage != "reconstruct":
        return real.compute(call, progress)
    first = True

    def watched(step: str, done: int, total: int, **figures: float) -> None:
        nonlocal first
        if first and call.checkpoint_path:
            key = Path(call.checkpoint_path).name.partition(".")[0]
            with Path(os.environ["MESHMILL_TEST_EVENTS"]).open("a") as events:
                events.write(f"from reconstruct {key} {done}\n")
            first = False
        progress(step, done, total, **figures)

    return real.compute(call, watched)
