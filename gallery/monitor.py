"""`/healthz` and `/metrics`: how the factory stands, for a monitor. Everything is read from the database and the store,
so that one gallery speaks for all hosts; nobody waits longer than :data:`DEADLINE` for an outage to be told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from datetime import UTC, datetime
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from db.activity import RECENT, Activity, activity, newest_stage_run, stage_runs
from db.tables import STATUSES
from storage import Store
from tasks.stages import STAGE_NAMES

DEADLINE = 5.0
"""Seconds that the database and the store have to answer; a scrape waits ten by default."""

BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds of a stage."""

PROBE = "monitor/probe"
"""An object that nobody stores: the store says so, which takes it as long as any other answer."""

T = TypeVar("T")


class Monitor(Collector):
    """What Prometheus and load balancers ask of a gallery."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self.engine, self.store = engine, store
        self.registry = CollectorRegistry()
        self.registry.register(self)  # the first to be collected: its look fills the others
        here = self.registry
        self.seconds = Histogram(
            "meshmill_stage_seconds", "Seconds of finished stages.", ["stage"], buckets=BUCKETS, registry=here
        )
        self.failures = Counter(
            "meshmill_stage_failures", "Attempts at a stage that failed.", ["stage", "error_class"], registry=here
        )
        self.busy = Counter(
            "meshmill_device_busy_seconds", "Seconds of stages, counted when they end.", ["device"], registry=here
        )
        for stage in STAGE_NAMES:
            self.seconds.labels(stage)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="monitor")
        self._asked: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        self._seen: int | None = None
        self._open: dict[int, datetime | None] = {}
        """Stage runs that have not ended, by their ids: when each began; None where its holder has died."""

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering asks neither the database nor the store."""
        yield from ()

    def page(self) -> bytes:
        """Prometheus' text. An outage is a metric too, and leaves out what cannot be known."""
        return generate_latest(self.registry)

    def health(self) -> dict[str, bool]:
        """Whether the database and the store answer."""
        return {"database": self._timed("ping", self._ping)[1] is not None, "store": self._probe()[1] is not None}

    def collect(self) -> Iterator[Metric]:
        asked, found = self._timed("database", self._look)
        yield _gauge("database_up", "Whether the database answers.", float(found is not None))
        yield _gauge("database_seconds", "How long the database took to say how things stand.", asked)
        asked, there = self._probe()
        yield _gauge("store_up", "Whether the store answers.", float(there is not None))
        yield _gauge("store_seconds", "How long the store took to answer for one object.", asked)
        if found is not None:
            yield from self._standing(found)

    def _standing(self, found: Activity) -> Iterator[Metric]:
        yield _by("assets", "Assets by status.", "status", {s: found.assets.get(s, 0) for s in STATUSES})
        yield _by("failed_assets", "Failed and quarantined assets by error.", "error_class", found.failed)
        yield _gauge("leases", "Stages that somebody holds.", found.leases)
        yield _gauge("expired_leases", "Stages whose holder died and that nobody took up.", found.expired)
        yield _gauge("oldest_expired_lease_seconds", "Since when the longest of them waits.", found.expired_seconds)
        now = datetime.now(UTC)
        oldest = max(((now - begun).total_seconds() for begun in self._open.values() if begun), default=0.0)
        yield _gauge("running_stages", "Stages that run now.", sum(1 for begun in self._open.values() if begun))
        yield _gauge("oldest_running_stage_seconds", "Since when the longest of them runs.", oldest)
        ended = {run.catalogue: run.ended.timestamp() for run in found.runs if run.ended}
        yield _by("last_run_end_timestamp_seconds", "When a catalogue's last run ended.", "catalogue", ended)
        begun = {run.catalogue: (now - run.begun).total_seconds() if run.begun else 0.0 for run in found.runs}
        yield _by("open_run_seconds", "Since when a run has not ended; 0: none is open.", "catalogue", begun)

    def _look(self) -> Activity:
        """How things stand, and what has ended since the last look."""
        with self._lock:
            if self._seen is None:  # counters begin at nothing; what runs already is watched from here on
                self._seen = newest_stage_run(self.engine)
                recent = stage_runs(self.engine, self._seen - RECENT, set())
                self._open = {run.id: run.started_at for run in recent if run.state == "running" and run.held}
            for run in stage_runs(self.engine, self._seen, set(self._open)):
                self._seen = max(self._seen, run.id)
                self._open.pop(run.id, None)
                if run.state == "running":
                    self._open[run.id] = run.started_at if run.held else None
                if run.state == "finished" and run.seconds is not None:
                    self.seconds.labels(run.stage).observe(run.seconds)
                if run.state == "failed":
                    self.failures.labels(run.stage, run.error_class or "unknown").inc()
                if run.device and run.seconds:
                    self.busy.labels(run.device).inc(run.seconds)
            return activity(self.engine)

    def _ping(self) -> bool:
        newest_stage_run(self.engine)
        return True

    def _probe(self) -> tuple[float, bool | None]:
        return self._timed("store", lambda: self.store.size(PROBE) is None)

    def _timed(self, name: str, work: Callable[[], T]) -> tuple[float, T | None]:
        """Seconds, and the answer; None where there was none in time. Who still waits for an answer is not doubled."""
        begun = time.monotonic()
        before = self._asked.get(name)
        if before is None or before.done():
            self._asked[name] = before = self._pool.submit(work)
        try:
            answer = before.result(DEADLINE)
        except Late:
            answer = None
        except Exception:  # noqa: BLE001 - whatever is broken: it does not answer
            answer = None
        return time.monotonic() - begun, answer


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"meshmill_{name}", text, value)


def _by(name: str, text: str, label: str, values: dict[str, float] | dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"meshmill_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
