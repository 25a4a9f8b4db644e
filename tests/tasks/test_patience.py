"""Waiting out an outage."""

from __future__ import annotations

import threading
import time

import pytest

from core.errors import DatabaseDown, ObjectMissing, StoreDown
from tasks.patience import patiently
from tasks.settings import Settings


class Fails:
    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_an_outage_is_waited_out_and_the_lease_is_kept_meanwhile() -> None:
    work, kept = Fails(StoreDown("down"), DatabaseDown("down")), []
    assert patiently(work, 10, threading.Event(), lambda: kept.append(1)) == "done"
    assert (work.calls, len(kept)) == (3, 2)


def test_what_waiting_does_not_mend_is_said_at_once() -> None:
    for error in (ObjectMissing("gone"), ValueError("ours")):
        work = Fails(error)
        with pytest.raises(type(error)):
            patiently(work, 10, threading.Event())
        assert work.calls == 1


def test_patience_ends_and_ends_at_once_when_the_run_is_stopped() -> None:
    started = time.monotonic()
    with pytest.raises(StoreDown):
        patiently(Fails(*[StoreDown("down")] * 100), 1, threading.Event())
    assert time.monotonic() - started < 3
    stopping = threading.Event()
    stopping.set()
    work = Fails(StoreDown("down"))
    with pytest.raises(StoreDown):
        patiently(work, 60, stopping)
    assert work.calls == 1


def test_only_what_is_elsewhere_is_waited_for() -> None:
    local = Settings(store_url="file:///x", database_url="sqlite:///x")
    assert (local.store_patience, local.database_patience) == (0, 0)
    remote = Settings(store_url="s3://b/x", database_url="postgresql://x", patience_seconds=7)
    assert (remote.store_patience, remote.database_patience) == (7, 7)
