"""How a night sends its shards: nights that run at once get their share of one queue, which is served in the order of
coming, and a server that is away is waited for."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import StateType

import flows.pool
from flows.pool import AHEAD, WorkPool


class Queue:
    """A work queue and one worker: what `run_deployment` sends is run in the order of coming."""

    def __init__(self) -> None:
        self.states: dict[UUID, StateType] = {}
        self.whose: dict[UUID, str] = {}
        self.order: list[str] = []
        self.most_waiting: dict[str, int] = {}
        self.nights: dict[str, threading.Thread] = {}
        self.looks: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.away = 0
        """How many more requests find nobody."""

    def send(self, _deployment: str, *, parameters: dict[str, Any], **_: Any) -> Any:
        if self.away:
            self.away -= 1
            raise httpx.ConnectError("All connection attempts failed")
        run = type("Run", (), {"id": uuid4()})()
        with self.lock:
            night = self.whose[run.id] = str(parameters["run_id"])
            self.states[run.id] = StateType.SCHEDULED
            waiting = sum(s == StateType.SCHEDULED and self.whose[i] == night for i, s in self.states.items())
            self.most_waiting[night] = max(waiting, self.most_waiting.get(night, 0))
        return run

    def work(self) -> None:
        """One shard: taken, run, done, and every night has seen it."""
        with self.lock:
            taken = next((id_ for id_, state in self.states.items() if state == StateType.SCHEDULED), None)
            if taken is None:
                return
            self.states[taken] = StateType.RUNNING
            self.order.append(self.whose[taken])
        self.seen()
        with self.lock:
            self.states[taken] = StateType.COMPLETED
        self.seen()

    def seen(self) -> None:
        """Until each night that goes on has looked twice, so that what it saw first has become a shard sent."""
        before = self.looks.copy()
        while any(night.is_alive() and self.looks[name] < before[name] + 2 for name, night in self.nights.items()):
            time.sleep(0.001)

    def look(self, pool: WorkPool, ids: list[UUID]) -> dict[UUID, StateType]:
        self.looks[pool._run_id] += 1
        return {id_: self.states[id_] for id_ in ids}

    def night(self, name: str, shards: int) -> threading.Thread:
        pool = WorkPool(Settled(), "build_assets/build", name, False)  # type: ignore[arg-type]
        self.nights[name] = threading.Thread(target=lambda: list(pool.build([["asset"]] * shards)))
        self.nights[name].start()
        return self.nights[name]


class Settled:
    """A factory whose assets are done when their shard is."""

    def retry_database(self, _query: Any, _left: list[str]) -> list[str]:
        return []


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    made = Queue()
    monkeypatch.setattr(flows.pool, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(flows.pool, "run_deployment", made.send)
    monkeypatch.setattr(flows.pool, "Breaker", lambda *_: type("Breaker", (), {"check": lambda _: None})())
    monkeypatch.setattr(WorkPool, "_states", lambda pool, ids: made.look(pool, ids))
    return made


def test_a_small_night_does_not_wait_for_all_of_a_large_one(queue: Queue) -> None:
    threads = [queue.night("large", 30)]
    while len(queue.order) < 6 and threads[0].is_alive():
        queue.work()
    threads.append(queue.night("small", 8))
    while queue.whose and "small" not in queue.whose.values():
        time.sleep(0.001)
    came = len(queue.order)
    while any(thread.is_alive() for thread in threads):
        queue.work()
    assert queue.order.count("large") == 30
    assert queue.most_waiting == {"large": AHEAD, "small": AHEAD}
    first = queue.order.index("small", came)
    assert first - came <= AHEAD + 1, "it waits for what is in the queue, which is little"
    last = len(queue.order) - 1 - queue.order[::-1].index("small")
    meanwhile = queue.order[first : last + 1].count("large")
    assert meanwhile <= 8 + AHEAD, "then they take turns"


def test_shards_wait_for_a_server_that_is_away_while_they_are_sent(queue: Queue) -> None:
    queue.away = 7
    pool = WorkPool(Settled(), "build_assets/build", "night", False)  # type: ignore[arg-type]
    sizes: list[int] = []
    thread = threading.Thread(target=lambda: sizes.extend(pool.build([["asset"]] * 6)))
    thread.start()
    while thread.is_alive():
        queue.work()
    assert sizes == [1] * 6
    assert queue.away == 0
    assert len(queue.order) == 6, "each once"


def test_a_server_that_stays_away_ends_the_night(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.away = 1_000_000
    monkeypatch.setattr(flows.pool, "SILENT_SECONDS", 0.05)
    pool = WorkPool(Settled(), "build_assets/build", "night", False)  # type: ignore[arg-type]
    with pytest.raises(httpx.ConnectError):
        list(pool.build([["asset"]]))
