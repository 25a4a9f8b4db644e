"""When a run ends before its time: failures that are all alike, a store or database that refuses, or a person."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress

from core.errors import DatabaseDown, RunStopped
from db import runs
from tasks.factory import Factory

ALIKE = 20
"""Assets in a row that fail by one class and sentence: what fails then is the surroundings or the program."""

LOOK_SECONDS = 1.0
"""How often a worker looks whether another one, or a person, has stopped the run."""

_DIFFERS = (
    r"'[^']*'|\"[^\"]*\"",
    r"\S*[/\\]\S*",
    r"\b[\w-]+\.\w{2,5}\b",  # a file's name
    r"\b[0-9a-f]{8,}\b",
    r"\d+(?:[.,:]\d+)*",
)

CANCELLED = "The run was cancelled."


class Breaker:
    """One worker's part in stopping its run. Called from several threads.

    Failures in a row are those of assets begun one after the other, however late their finishing ends beside the next
    ones. They are counted twice: here, for a host that alone is broken while others thrive, and on the run's row, for
    shards that are shorter than :data:`ALIKE`. Refused photos say nothing about the machinery, so they neither count
    nor break a row.
    """

    def __init__(self, factory: Factory, run_id: str | None = None) -> None:
        self._factory, self._run_id = factory, run_id
        self._lock = threading.Lock()
        self._begun: dict[str, int] = {}
        self._open: set[str] = set()
        self._what, self._count, self._first = "", 0, 0
        self._stopped: str | None = None
        self._looked = 0.0

    def check(self) -> None:
        """Raises :class:`RunStopped` where the run was stopped, here or elsewhere."""
        with self._lock:
            if self._stopped is None and self._run_id is not None and time.monotonic() - self._looked > LOOK_SECONDS:
                self._stopped = self._factory.retry_database(runs.stopped, self._run_id)
                self._looked = time.monotonic()
            if self._stopped is not None:
                raise RunStopped(self._stopped)

    def began(self, asset_id: str) -> None:
        """An asset is on its way."""
        with self._lock:
            self._begun[asset_id] = len(self._begun)
            self._open.add(asset_id)

    def refused(self, asset_id: str) -> None:
        """An asset's photo was refused."""
        with self._lock:
            self._open.discard(asset_id)

    def came_out(self, asset_id: str) -> None:
        """An asset reached its end, whatever the gate says of it: the machinery works."""
        with self._lock:
            self._open.discard(asset_id)
            if self._count and self._begun[asset_id] < self._first:
                return  # begun before the failures, and thought of then
            self._count = 0
        if self._run_id is not None:
            with suppress(DatabaseDown):  # it has come out all the same
                self._factory.retry_database(runs.break_streak, self._run_id)

    def failed(self, asset_id: str, sku: str, error: Exception) -> None:
        """An asset failed. Raises :class:`RunStopped` at the last of so many alike."""
        what = f"{type(error).__name__}: {common_part(str(error), sku)}"
        with self._lock:
            self._open.discard(asset_id)
            place = self._begun[asset_id]
            between = any(self._first < self._begun[other] < place for other in self._open)
            if between or what != self._what or not self._count:
                self._what, self._count, self._first = what, 0, place
            self._count += 1
            alike = self._count
        if self._run_id is not None:
            with suppress(DatabaseDown):
                alike = max(
                    alike, self._factory.retry_database(runs.count_alike, self._run_id, asset_id, what, anew=between)
                )
        if alike >= ALIKE:
            self.stop(
                f"Stopped: {alike} assets in a row failed alike, the last with: {error} What was not tried stays "
                "queued; mend this, then run the same command again."
            )
            self.check()

    def stop(self, sentence: str) -> None:
        """Stop the run on every host; the first sentence counts."""
        with self._lock:
            self._stopped = self._stopped or sentence
        if self._run_id is not None:
            with suppress(DatabaseDown):  # where the database itself is what stopped us
                self._factory.retry_database(runs.stop, self._run_id, sentence)


def common_part(sentence: str, sku: str) -> str:
    """A failure's sentence without what differs from asset to asset: SKU, paths, names in quotes, hashes, numbers."""
    if sku:
        sentence = re.sub(rf"(?<!\w){re.escape(sku)}(?!\w)", "…", sentence, flags=re.IGNORECASE)
    for pattern in _DIFFERS:
        sentence = re.sub(pattern, "…", sentence)
    return sentence


def refused_sentence(error: Exception) -> str:
    """Why a run stops that a store or database refuses."""
    return f"Stopped: {error} What was not tried stays queued."
