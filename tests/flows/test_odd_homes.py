"""A home whose path looks like a URL's parts: the real command, Prefect's server and all, stays inside that folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_bad_days import Shop

from storage.places import uri_path

ODD = "a #?%20;&=ü☕{x}$HOME'\"[1]@:~%s\\n,|<b>"

pytestmark = [pytest.mark.timeout(1200), pytest.mark.server]


def test_a_whole_run_stays_inside_a_home_with_an_odd_path(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.home, shop.out = tmp_path / ODD / "home", tmp_path / ODD / "out"
    shop.environment["MESHMILL_HOME"] = str(shop.home)
    before = {path.name for path in tmp_path.iterdir()}
    # Stages that take a while: Prefect's server comes up meanwhile and takes the second product over.
    done = shop.run(MESHMILL_TEST_SECONDS="2.5")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["counts"]["finished"] == 2
    assert {path.name for path in tmp_path.iterdir()} == before | {"log", ODD}
    assert {path.name for path in (tmp_path / ODD).iterdir()} == {"home", "out"}
    assert (shop.home / "prefect" / "prefect.db").is_file()
    for asset in document["assets"]:
        assert uri_path(asset["glb"]).is_relative_to(shop.home / "store")
        assert uri_path(asset["glb"]).read_bytes() == (shop.out / f"{asset['sku']}.glb").read_bytes()
    again = shop.run()
    assert json.loads(again.stdout)["counts"]["reused"] == 2
