"""Workers in containers: one host name, PID namespaces of their own, one home. Real processes and namespaces."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from shop import Shop, kill_tree

from tasks.stages import STAGE_NAMES

pytestmark = pytest.mark.server

PRODUCTS = 2


@pytest.fixture(scope="module")
def container() -> list[str]:
    """A command that starts another one as process 1 of a PID namespace of its own."""
    shell = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    for wall in (shell, [*shell, "--user", "--map-root-user"]):
        if shutil.which("unshare") and subprocess.run([*wall, "true"], capture_output=True).returncode == 0:
            return wall
    pytest.skip("this machine lets nobody make a PID namespace")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path, MESHMILL_TEST_SECONDS="1.2", MESHMILL_TEST_ALONE="", MESHMILL_LEASE_SECONDS="6")
    made.stock(PRODUCTS)
    return made


def test_two_containers_with_one_host_name_leave_each_other_their_leases(shop: Shop, container: list[str]) -> None:
    """Process 1 of one is not process 1 of the other: each took the other's leases as those of a dead holder."""
    workers = [shop.start(*container), shop.start(*container)]
    for worker in workers:
        assert shop.finish(worker, 300)["finished"] == PRODUCTS
    shop.check_complete(PRODUCTS)
    assert shop.ask("SELECT count(*), max(attempt) FROM stage_run") == [(PRODUCTS * len(STAGE_NAMES), 1)]
    assert shop.starts() == PRODUCTS * len(STAGE_NAMES)


def test_the_lease_of_a_killed_container_is_free_when_it_expires(shop: Shop, container: list[str]) -> None:
    first = shop.start(*container)
    assert shop.wait(first, lambda: any(event[:2] == ["started", "views"] for event in shop.events()), 120)
    second = shop.start(*container)
    kill_tree(first)
    assert shop.finish(second, 300)["finished"] == PRODUCTS
    shop.check_complete(PRODUCTS)
    assert shop.starts() <= PRODUCTS * len(STAGE_NAMES) + 1
