"""The real command among photos that cannot be read: another user's, on a bad disk, on a mount that goes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from test_bad_days import Shop, namespace, sentence  # noqa: F401 - the fixture
from test_ingest import picture

pytestmark = pytest.mark.server


def stock(shop: Shop, products: int = 5) -> None:
    for n in range(products):
        (shop.folder / "photos" / f"p{n}.png").write_bytes(picture(200 + n, 200))


def test_a_photo_that_the_user_may_not_read_waits(tmp_path: Path) -> None:
    """Root may read everything, unless it gives that right away."""
    mortal = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    if mortal and subprocess.run([*mortal, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root reads everything here: no photo is forbidden")
    shop = Shop(tmp_path, 0)
    stock(shop)
    secret = shop.folder / "photos" / "p1.png"
    secret.chmod(0)
    first = shop.call([*mortal, *shop.command("--json")])
    document = json.loads(first.stdout)
    assert first.returncode == 1
    assert document["counts"] == counts(finished=4, waiting=1)
    assert "Permission denied" in document["changes"]["reasons"]["p1"]
    assert "Traceback" not in first.stderr
    secret.chmod(0o644)
    second = shop.call([*mortal, *shop.command("--json")])
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["counts"] == counts(finished=5, reused=4)


def counts(**more: int) -> dict[str, int]:
    names = ("finished", "review", "failed", "quarantined", "waiting", "reused")
    return dict.fromkeys(names, 0) | more


def test_a_bad_disk_under_one_photo_stops_no_other(tmp_path: Path, namespace: list[str]) -> None:  # noqa: F811
    """Reading a process's memory at its beginning is a real EIO of a regular file."""
    shop = Shop(tmp_path, 0)
    stock(shop)
    bad = shop.folder / "photos" / "p1.png"
    script = f'mount --bind /proc/$$/mem {bad}\nexec "$@"'
    first = shop.call([*namespace, script, "sh", *shop.command("--json")])
    if "mount" in first.stderr:
        pytest.skip("nothing of /proc may be mounted here")
    document = json.loads(first.stdout)
    assert document["counts"] == counts(finished=4, waiting=1), first.stderr
    assert "Traceback" not in first.stderr
    second = shop.run()
    assert json.loads(second.stdout)["counts"] == counts(finished=5, reused=4)


def test_a_huge_file_is_one_quarantined_line(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 0)
    stock(shop)
    with (shop.folder / "photos" / "p1.png").open("wb") as huge:
        huge.truncate(3 << 30)
    # Less address space than the file has bytes: whoever reads it whole ends in MemoryError.
    done = shop.call(["prlimit", "--as=2800000000", *shop.command("--json")])
    document = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert document["counts"] == counts(finished=4, quarantined=1)
    (refused,) = [row for row in document["assets"] if row["sku"] == "p1"]
    assert "3,072 MiB" in json.dumps(refused)
    assert shop.run("--strict").returncode == 1


def test_a_mount_that_goes_in_mid_run_and_comes_back(tmp_path: Path, namespace: list[str]) -> None:  # noqa: F811
    """Photos on a disk of their own, which is unmounted while the first product is built, and mounted again later."""
    shop = Shop(tmp_path, 0)
    photos = shop.folder / "photos"
    stock(shop)
    photos.rename(shop.folder / "disk")
    photos.mkdir()
    lines = [
        f"mount --bind {shop.folder / 'disk'} {photos}",
        '"$@" >one.json 2>one.err & run=$!',
        f"until grep -q views {shop.log} 2>/dev/null; do sleep .05; done",
        f"umount -l {photos}",
        "wait $run && echo 0 >one.code || echo $? >one.code",
        '"$@" >two.json 2>two.err && echo 0 >two.code || echo $? >two.code',
        f"mount --bind {shop.folder / 'disk'} {photos}",
        '"$@" >three.json 2>three.err && echo 0 >three.code || echo $? >three.code',
    ]
    script = f"cd {shop.folder}\n" + "\n".join(lines)
    done = shop.call([*namespace, script, "sh", *shop.command("--json")], MESHMILL_TEST_SECONDS="0.3")
    assert done.returncode == 0, done.stderr
    said = {name: (shop.folder / name).read_text() for name in ("one.err", "two.err", "three.err")}
    assert not any("Traceback" in text for text in said.values()), said
    one = json.loads((shop.folder / "one.json").read_text())
    assert one["counts"] == counts(finished=1, waiting=4)
    assert (shop.folder / "one.code").read_text().strip() == "1"
    assert (shop.folder / "two.code").read_text().strip() == "2"
    assert "There are no photos" in said["two.err"]
    assert json.loads((shop.folder / "two.json").read_text())["error"]["code"] == "input_error"
    three = json.loads((shop.folder / "three.json").read_text())
    assert three["counts"] == counts(finished=5, reused=1)
    assert shop.rows("SELECT count(*) FROM product WHERE removed") == [(0,)]
    assert len(shop.rows("SELECT sku FROM finished_assets")) == 5


def test_one_sentence_for_a_source_that_lost_its_products(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 0)
    stock(shop)
    assert shop.run().returncode == 0
    for n in range(2):
        (shop.folder / "photos" / f"p{n}.png").unlink()
    done = shop.run()
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "input_error")
    assert "lost 2 of 5 products" in sentence(done)
    meant = shop.run("--allow-removal")
    assert meant.returncode == 0
    assert json.loads(meant.stdout)["changes"]["removed"] == ["p0", "p1"]
    assert len(shop.rows("SELECT sku FROM finished_assets")) == 5, "what is published stays"
