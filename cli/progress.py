"""How a run looks while it works: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.catalogue import Changes


SHOWN = 20
"""Products whose wait is shown."""


def time_left(seconds: float) -> str:
    """To stand behind a line."""
    return f" (about {seconds / 60:.0f} min left)" if seconds > 90 else f" (about {seconds:.0f} s left)"


class Lines:
    """One line a finished stage or asset, on stderr; `product i of n` and an estimate of what is left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._total = self._done = 0
        self._names: dict[str, str] = {}

    def ingested(self, changes: Changes) -> None:
        """Which photos are taken for one product, and what lay beside them."""
        for line in changes.grouped:
            self._say(line)
        for note in changes.notes:
            self._say(f"Note: {note}")
        for sku, reason in islice(changes.reasons.items(), SHOWN):
            self._say(f"{sku} waits for the next run: {reason}")

    def planned(self, names: dict[str, str]) -> None:
        """Asset ids to SKUs that will be built."""
        self._names, self._total = names, len(names)
        if names:
            self._say(f"{len(names)} product{'s' if len(names) > 1 else ''} to build")

    def stage(self, asset_id: str, stage: str, state: str, **more: Any) -> None:
        if state in ("finished", "failed"):
            took = f" {more['seconds']:.1f} s" if "seconds" in more else ""
            self._say(f"{self._name(asset_id)}: {stage} {state}{took}")

    def progress(self, asset_id: str, stage: str, step: str, done: int, total: int, **figures: Any) -> None: ...

    def asset(self, asset_id: str, status: str, reason: str | None) -> None:
        with self._lock:
            self._done += 1
            left = self._eta()
        self._say(
            f"[{self._done}/{self._total}] {self._name(asset_id)}: {status}{f' - {reason}' if reason else ''}{left}"
        )

    def _name(self, asset_id: str) -> str:
        return self._names.get(asset_id, asset_id)

    def _eta(self) -> str:
        left = self._total - self._done
        if left <= 0 or not self._done:
            return ""
        return time_left((time.monotonic() - self._started) / self._done * left)

    def _say(self, text: str) -> None:
        with self._lock:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


class Live(Lines):
    """A bar for the products, a bar for the stage at hand."""

    def __init__(self, display: Any) -> None:
        super().__init__()
        self._display = display
        self._products = display.add_task("products", total=None)
        self._stages: dict[tuple[str, str], Any] = {}

    def planned(self, names: dict[str, str]) -> None:
        super().planned(names)
        self._display.update(self._products, total=len(names), completed=0)

    def stage(self, asset_id: str, stage: str, state: str, **more: Any) -> None:
        with self._lock:
            key = (asset_id, stage)
            if state == "started":
                self._stages[key] = self._display.add_task(f"{self._name(asset_id)} · {stage}", total=None)
            elif key in self._stages:
                self._display.remove_task(self._stages.pop(key))

    def progress(self, asset_id: str, stage: str, step: str, done: int, total: int, **figures: Any) -> None:
        with self._lock:
            task = self._stages.get((asset_id, stage))
            if task is not None:
                text = f"{self._name(asset_id)} · {stage} · {step}"
                self._display.update(task, description=text, completed=done, total=total)

    def asset(self, asset_id: str, status: str, reason: str | None) -> None:
        super().asset(asset_id, status, reason)
        with self._lock:
            self._display.update(self._products, completed=self._done)

    def _say(self, text: str) -> None:
        self._display.console.print(text, markup=False, highlight=False)


@contextmanager
def watch(quiet: bool = False) -> Iterator[Lines]:
    """A listener for the run: live on a terminal, lines elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        yield Live(display)
