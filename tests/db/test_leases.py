"""Leases: one holder a key, expiry, the dead give way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from db.leases import claim, owner_is_dead, owner_name, release, renew


def test_a_key_has_one_holder(engine: Any) -> None:
    assert claim(engine, "k", "a", 60)
    assert claim(engine, "k", "a", 60)
    assert not claim(engine, "k", "b", 60)
    release(engine, "k", "b")
    assert not claim(engine, "k", "b", 60)
    release(engine, "k", "a")
    assert claim(engine, "k", "b", 60)


def test_an_expired_lease_is_free_and_a_renewed_one_is_not(engine: Any) -> None:
    assert claim(engine, "k", "a", 2)
    assert renew(engine, "k", "a", 60)
    time.sleep(2.1)
    assert not claim(engine, "k", "b", 60)
    assert renew(engine, "k", "a", 0.1)
    time.sleep(0.2)
    assert claim(engine, "k", "b", 60)
    assert not renew(engine, "k", "a", 60)


def test_the_lease_of_a_killed_process_on_this_host_is_free_at_once(engine: Any) -> None:
    code = "import sys, time; from db.leases import owner_name; print(owner_name(), flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    holder = process.stdout.readline().strip()
    assert claim(engine, "k", holder, 600)
    assert not claim(engine, "k", owner_name(), 600)
    process.kill()
    process.wait()
    assert owner_is_dead(holder)
    assert claim(engine, "k", owner_name(), 600)


@pytest.mark.parametrize("place", range(3), ids=["host", "boot", "namespace"])
def test_the_owner_of_another_host_boot_or_namespace_is_never_called_dead(place: int) -> None:
    parts = owner_name().split(":")
    parts[3] = "4194304"  # no process has this number: the largest is one less
    assert owner_is_dead(":".join(parts))
    parts[place] = "other"
    assert not owner_is_dead(":".join(parts))
    parts[place] = ""
    assert not owner_is_dead(":".join(parts)), "nor where it is not known"


def test_an_owner_that_runs_or_says_nothing_that_is_understood_is_not_called_dead() -> None:
    assert not owner_is_dead(owner_name())
    assert not owner_is_dead(owner_name("/3"))
    host = owner_name().split(":")[0]
    assert not owner_is_dead(f"{host}:1:0:"), "as an earlier version wrote it"
    assert not owner_is_dead("")


def test_a_number_that_was_used_again_is_another_process() -> None:
    parts = owner_name().split(":")
    parts[4] = "1"
    assert owner_is_dead(":".join(parts))


def test_a_foreign_proc_says_nothing_about_the_dead() -> None:
    """A PID namespace that still shows the outer one's /proc: its numbers are other processes'."""
    code = "from db.leases import owner_is_dead, owner_name; n = owner_name(); print(n, owner_is_dead(n))"
    shell = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    done = subprocess.run([*shell, sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip("this machine lets nobody make a PID namespace")
    name, dead = done.stdout.split()
    assert name.split(":")[1:3] == ["", ""]
    assert dead == "False"


def test_of_many_claims_at_once_exactly_one_succeeds(engine: Any) -> None:
    won: list[tuple[int, int]] = []

    def work(number: int) -> None:
        for i in range(25):
            if claim(engine, f"k{i}", f"worker{number}", 60):
                won.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(i for _, i in won) == list(range(25))
