"""The real `meshmill fsck` over a damaged store, one whose disk is not mounted, and one with a bad sector."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_bad_days import CLI, Shop, namespace, sentence  # noqa: F401 - the fixture

pytestmark = pytest.mark.timeout(1200)


def fsck(shop: Shop, *more: str) -> tuple[int, dict[str, Any]]:
    done = shop.call([*CLI, "fsck", "--json", *more])
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def glb_of(shop: Shop, sku: str) -> Path:
    ((uri,),) = shop.rows(f"SELECT glb_uri FROM finished_assets WHERE sku = '{sku}'")
    return Path(uri.removeprefix("file://"))


def test_damage_is_said_with_exit_1_and_mended_with_exit_0(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 2)
    assert shop.run().returncode == 0
    code, whole = fsck(shop)
    assert (code, whole["checked"], whole["objects"]) == (0, 18, [])
    parts = [fsck(shop, "--sample", "0.5")[1]["checked"] for _ in range(2)]
    assert parts[0] == parts[1] < 18, "the same part all day long"

    data = bytearray(glb_of(shop, "p0").read_bytes())
    data[3] ^= 1
    glb_of(shop, "p0").write_bytes(data)
    glb_of(shop, "p1").unlink()
    code, found = fsck(shop)
    assert code == 1
    assert {name: found[name] for name in ("missing", "damaged", "repaired", "unpublished")} == {
        "missing": 1, "damaged": 1, "repaired": 0, "unpublished": 2,
    }  # fmt: skip
    people = shop.call([*CLI, "fsck"])
    assert people.returncode == 1
    assert "damaged  glb of photos/p0" in people.stdout
    assert "missing  glb of photos/p1" in people.stdout
    code, mended = fsck(shop, "--repair")
    assert (code, mended["repaired"], mended["unrepairable"], mended["unpublished"]) == (0, 2, 0, 0)
    assert glb_of(shop, "p0").read_bytes() != data
    assert fsck(shop)[0] == 0


@pytest.mark.parametrize("share", ["0", "1.5", "-1", "many"])
def test_a_share_that_is_none_is_wrong_usage(tmp_path: Path, share: str) -> None:
    assert Shop(tmp_path, 0).call([*CLI, "fsck", "--sample", share]).returncode == 2


def test_a_store_whose_disk_is_not_mounted_is_not_filled_anew(
    tmp_path: Path,
    namespace: list[str],  # noqa: F811
) -> None:
    shop = Shop(tmp_path, 2)
    assert shop.run().returncode == 0
    script = (
        'mount -t tmpfs none "$MESHMILL_HOME/store"\nset +e; "$@"; code=$?\nls -A "$MESHMILL_HOME/store"; exit $code'
    )
    done = shop.call([*namespace, script, "sh", *CLI, "fsck", "--repair"])
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Check that it is mounted" in sentence(done)
    night = shop.call([*namespace, script, "sh", *shop.command("--force", "--json")])
    assert (night.returncode, json.loads(night.stdout)["error"]["exit_code"]) == (1, 1), night.stderr
    assert "check that it is mounted" in sentence(night)
    assert fsck(shop)[0] == 0


def test_an_object_on_a_bad_sector_is_unknown(tmp_path: Path, namespace: list[str]) -> None:  # noqa: F811
    """Reading a process's memory at its beginning is a real EIO of a regular file."""
    shop = Shop(tmp_path, 1)
    assert shop.run().returncode == 0
    script = f'mount --bind /proc/$$/mem {glb_of(shop, "p0")}\nexec "$@"'
    done: subprocess.CompletedProcess[str] = shop.call([*namespace, script, "sh", *CLI, "fsck", "--repair", "--json"])
    if "mount" in done.stderr:
        pytest.skip("nothing of /proc may be mounted here")
    found = json.loads(done.stdout)
    assert (done.returncode, found["unknown"], found["repaired"]) == (1, 1, 0), done.stderr
    assert "Input/output error" in found["objects"][0]["sentence"]
