"""A training of Lift-S that is paced by the clock: objects are drawn while it learns, and it ends when the time is up.

The GPU renders and learns by turns, so that rendering takes a given share of the time; other processes write the rows
of the objects. State lies in one file; the same call goes on from it.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.whole_file import whole_file
from training.families import MIX, draft
from training.lift_s import Learner
from training.photos import Photos, Pool, photograph
from training.procedural import ObjectTable
from training.renderers import Renderer, renderer_for

Report = Callable[..., None]


@dataclass(frozen=True)
class Pace:
    """What fits the device; these are a large GPU's."""

    batch: int = 768
    block: int = 512
    """Objects rendered together."""
    room: int = 40_000
    """Photos kept, 0.34 MB each: the newest."""
    render_share: float = 0.35
    """Of the time, while there is room or the objects are old."""
    turn: int = 8
    """Steps between two looks at the clock."""
    drafters: int = max(1, (os.cpu_count() or 4) // 2)
    first_seed: int = 0
    seed: int = 0
    report_seconds: float = 15.0
    save_seconds: float = 120.0


CPU = Pace(batch=2, block=4, room=32, turn=1, drafters=1, report_seconds=5.0, save_seconds=20.0)
"""For a dry run (``bench/gpu_visit.py``)."""


class Drafts:
    """Rows of new objects, written by other processes ahead of their use."""

    def __init__(self, pool: ProcessPoolExecutor, pace: Pace, first_seed: int) -> None:
        self.pool, self.pace, self.next = pool, pace, first_seed
        self.waiting: deque[Future[dict[str, Any]]] = deque()

    def take(self) -> ObjectTable:
        while len(self.waiting) < 2 * self.pace.drafters + 1:
            self.waiting.append(self.pool.submit(drafted, self.next, self.pace.block))
            self.next += self.pace.block
        given = self.waiting.popleft().result().items()
        fields: dict[str, Any] = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in given}
        return ObjectTable(**fields)


def drafted(first: int, count: int) -> dict[str, Any]:
    """A table's fields, tensors as arrays: tensors would travel between processes as open files, too many of them."""
    table = draft(range(first, first + count))
    return {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in vars(table).items()}


@contextmanager
def drafting(pace: Pace, first_seed: int) -> Iterator[Drafts]:
    with ProcessPoolExecutor(pace.drafters, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield Drafts(pool, pace, first_seed)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def render_block(drafts: Drafts, renderer: Renderer, device: torch.device, number: int) -> Photos:
    """The next block's photos; views, light and rays follow from its number."""
    table = drafts.take()
    names = list(MIX)
    family = torch.tensor([names.index(name) for name in table.names], dtype=torch.int16)
    generator = torch.Generator().manual_seed(drafts.pace.first_seed + number)
    return photograph(table.to(device), renderer, generator, family)


def train(
    learner: Learner, state_file: Path, pace: Pace, minutes: float, of: float, until: float, report: Report
) -> dict[str, Any]:
    """Learn until ``time.monotonic()`` says ``until``; returns figures.

    ``minutes`` is the part of the plan that earlier runs had, ``of`` all of it: the learning rate follows their share.
    """
    device, renderer = learner.device, renderer_for(learner.device)
    pool, begun = Pool(pace.room), time.monotonic()
    number, rendering, history = learner.steps, 0.0, []
    told = saved = begun
    with drafting(pace, pace.first_seed + number * pace.block) as drafts:
        while (now := time.monotonic()) < until:
            if pool.count < min(pace.room, 2 * pace.batch) or rendering < pace.render_share * (now - begun):
                pool.add(render_block(drafts, renderer, device, number))
                number += 1
                settle(device)
                rendering += time.monotonic() - now
                continue
            done = (minutes + (now - begun) / 60) / of
            for _ in range(pace.turn):
                learner.step(lambda generator: pool.draw(pace.batch, generator), done)
            settle(device)
            if time.monotonic() - told > pace.report_seconds:
                told = time.monotonic()
                history.append([learner.steps, learner.told()["loss"]])
                seconds = told - begun
                report("lift", steps=learner.steps, done=round(done, 3), **learner.told(), objects=pool.total,
                       objects_a_second=round(pool.total / max(rendering, 1e-9)),
                       photos_a_second=round(learner.samples / seconds))  # fmt: skip
            if time.monotonic() - saved > pace.save_seconds:
                save(learner, state_file, minutes + (time.monotonic() - begun) / 60)
                saved = time.monotonic()
    seconds = time.monotonic() - begun
    save(learner, state_file, minutes + seconds / 60)
    return {
        "steps": learner.steps,
        "photos": learner.samples,
        "objects": pool.total,
        "seconds": round(seconds, 1),
        "seconds_rendering": round(rendering, 1),
        "losses": history,
        "last": learner.told(),
    }


def settle(device: torch.device) -> None:
    """Wait for the device, so that the clock measures work and not calls."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def save(learner: Learner, path: Path, minutes: float) -> None:
    with whole_file(path) as partial:
        torch.save(learner.state() | {"minutes": minutes}, partial)


def resume(learner: Learner, path: Path) -> float:
    """Load what an earlier run left, if it did; the minutes of the plan that are over."""
    if not path.is_file():
        return 0.0
    state = torch.load(path, map_location="cpu", weights_only=True)
    learner.load(state)
    return float(state["minutes"])
