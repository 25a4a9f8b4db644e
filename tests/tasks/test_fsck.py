"""Objects that are lost or damaged are found and made again, in a folder and on a real S3 server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from s3_server import ACCESS, SECRET, ready
from test_run_stage import Shop

from core.errors import InputError, StoreDown
from core.records import to_json
from db import assets
from db.engine import reading, writing
from db.lineage import lineage
from db.objects import Window
from db.tables import Artifact, StageRun
from flows.run import deliver
from tasks.build import build_ahead
from tasks.factory import Factory, NullListener, open_store_of
from tasks.fsck import DAY, fsck, window_of_the_night
from tasks.stages import STAGE_NAMES

OBJECTS = 9
"""Of one product: its photo and what the stages that cost nothing make."""


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings: dict[str, Any] = {}
    if request.param == "s3":
        seaweed = request.getfixturevalue("seaweed")
        settings = {"s3_endpoint": seaweed, "s3_access_key": ACCESS, "s3_secret_key": SECRET}
        settings |= {"store_url": f"s3://contract/fsck{time.time_ns()}"}
    opened = Shop(tmp_path, f"sqlite:///{tmp_path / 'm.db'}", monkeypatch, **settings)
    if request.param == "s3":
        ready(open_store_of(opened.settings))  # type: ignore[arg-type]
    yield opened
    opened.close()


def build(shop: Shop, products: int = 2) -> Factory:
    factory = shop.factory()
    for n in range(products):
        (shop.photos / f"p{n}.png").write_bytes(b"photo %d" % n)
    shop.build(factory)
    assert shop.statuses(factory) == {f"p{n}": "finished" for n in range(products)}
    shop.computed()
    return factory


def key_of(factory: Factory, kind: str, sku: str = "p0") -> str:
    (row,) = assets.list_assets(factory.engine, sku=sku, status="finished")
    if kind == "photo":
        return row_photo(factory, row.asset_id)
    stored = assets.artifact(factory.engine, row.asset_id, kind)
    assert stored is not None
    return stored.key


def row_photo(factory: Factory, asset_id: str) -> str:
    sha256 = to_json(lineage(factory.engine, asset_id))["photo"]["sha256"]
    return f"objects/{sha256[:2]}/{sha256}"


def spoil(factory: Factory, key: str, how: str) -> None:
    """Behind the database's back: the object is gone, has a flipped byte, or lost its end."""
    with factory.store.open(key) as stream:
        data = bytearray(stream.read())
    factory.store.delete(key)
    if how == "missing":
        return
    if how == "flipped":
        data[len(data) // 2] ^= 1
    elif how == "truncated":
        del data[-1:]
    elif how == "empty":
        data.clear()
    import hashlib

    factory.store.put(bytes(data), key, hashlib.sha256(data).hexdigest(), "application/octet-stream")


HOWS = ("missing", "flipped", "truncated", "empty")


def test_a_store_that_is_whole(shop: Shop) -> None:
    found = fsck(build(shop), repair=True)
    assert to_json(found.report(True)) == {
        "checked": 2 * OBJECTS, "missing": 0, "damaged": 0, "unknown": 0, "repaired": 0, "unrepairable": 0,
        "unpublished": 0, "objects": [],
    }  # fmt: skip


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    ("kind", "stages"),
    [
        ("photo", []),
        ("cutout", ["segment"]),
        ("views", ["views"]),
        ("glb", ["finish"]),
    ],
)
def test_one_object_is_found_and_made_again(shop: Shop, how: str, kind: str, stages: list[str]) -> None:
    factory = build(shop)
    before = factory.store.size(key_of(factory, kind))
    spoil(factory, key_of(factory, kind), how)
    state = "missing" if how == "missing" else "damaged"
    found = to_json(fsck(factory).report(False))
    assert (found["checked"], found[state], found["repaired"]) == (2 * OBJECTS, 1, 0)
    (named,) = found["objects"]
    assert (named["key"], named["kind"], named["state"]) == (key_of(factory, kind), kind, state)
    assert [user["sku"] for user in named["assets"]] == ["p0"]
    assert found["unpublished"] == (1 if kind == "glb" else 0), "readers get the files of the finish stage"
    assert shop.computed() == {}, "nothing is made where nobody asked for it"
    mended = to_json(fsck(factory, repair=True).report(True))
    assert (mended[state], mended["repaired"], mended["unrepairable"], mended["unpublished"]) == (1, 1, 0, 0)
    assert shop.computed() == dict.fromkeys(stages, 1)
    assert factory.store.size(key_of(factory, kind)) == before
    assert fsck(factory).left == []
    with reading(factory.engine) as session:
        assert session.query(StageRun).filter(StageRun.state != "finished").all() == [], "no row has changed"


@pytest.mark.parametrize("how", HOWS)
def test_a_whole_chain_is_made_again_from_the_photos_place(shop: Shop, how: str) -> None:
    factory = build(shop)
    for kind in ("photo", "cutout", "views", "field", "mesh", "glb", "report", "assessment"):
        spoil(factory, key_of(factory, kind), how)
    found = to_json(fsck(factory, repair=True).report(True))
    assert (found["repaired"], found["unrepairable"]) == (8, 0)
    assert shop.computed() == dict.fromkeys(STAGE_NAMES, 1), "each stage once"
    assert fsck(factory).left == []


def test_a_photo_that_is_nowhere_any_more_is_said(shop: Shop) -> None:
    factory = build(shop)
    spoil(factory, key_of(factory, "photo"), "missing")
    (shop.photos / "p0.png").write_bytes(b"another photo")
    found = to_json(fsck(factory, repair=True).report(True))
    assert (found["repaired"], found["unrepairable"], found["unpublished"]) == (0, 1, 0)
    assert "put it back there" in found["objects"][0]["sentence"]
    (shop.photos / "p0.png").write_bytes(b"photo 0")
    assert to_json(fsck(factory, repair=True).report(True))["repaired"] == 1


def test_what_comes_out_otherwise_here_is_not_taken_for_it(shop: Shop) -> None:
    """Another version of the stage, other bytes: said; the next build relies on it no more."""
    factory = build(shop)
    key = key_of(factory, "glb")
    spoil(factory, key, "flipped")
    with writing(factory.engine) as session:
        (run,) = session.query(StageRun).join(Artifact, Artifact.made_by == StageRun.id).filter(Artifact.key == key)
        run.version += 1
    old = to_json(fsck(factory, repair=True).report(True))
    assert "in another way" in old["objects"][0]["sentence"]
    with writing(factory.engine) as session:
        (run,) = session.query(StageRun).join(Artifact, Artifact.made_by == StageRun.id).filter(Artifact.key == key)
        run.version -= 1
        run.parameters = run.parameters | {"params": run.parameters["params"] | {"faces": 7}}
    found = to_json(fsck(factory, repair=True).report(True))
    assert (found["unrepairable"], found["unpublished"]) == (1, 1)
    assert "retry --status finished" in found["objects"][0]["sentence"]
    assets.requeue(factory.engine, ["finished"], [])
    plan, models = shop.plan(factory)
    build_ahead(factory, plan.build, models, lambda: False)
    assert fsck(factory).left == []


def test_weights_that_are_gone_are_said(shop: Shop) -> None:
    factory = build(shop)
    spoil(factory, key_of(factory, "views"), "missing")
    (shop.folder / "views" / "config.json").write_text('{"other": 1}')
    found = to_json(fsck(factory, repair=True).report(True))
    assert "weights" in found["objects"][0]["sentence"]
    assert shop.computed() == {}


@pytest.mark.parametrize("how", HOWS)
def test_building_and_handing_out_mend_what_they_need(shop: Shop, how: str, tmp_path: Path) -> None:
    factory = build(shop, 1)
    rows = assets.list_assets(factory.engine, status="finished")
    spoil(factory, key_of(factory, "glb"), how)
    (out,) = deliver(factory, rows, tmp_path / "out")
    assert out.read_bytes().startswith(b"model.glb ")
    assert shop.computed() == {"finish": 1}
    for kind in ("views", "photo"):
        spoil(factory, key_of(factory, kind), how)
    plan, models = shop.plan(factory, "mesh.denoise=0.5")
    build_ahead(factory, plan.build, models, lambda: False)
    assert shop.computed() == {"views": 1, "mesh": 1, "finish": 1, "assess": 1}
    assert shop.statuses(factory) == {"p0": "finished"}
    assert fsck(factory).left == []


class Spoiler(NullListener):
    """Spoils an object in the moment in which a stage begins to read it."""

    def __init__(self, factory: Factory, stage: str, kind: str, how: str) -> None:
        self.factory, self.at, self.kind, self.how = factory, stage, kind, how

    def stage(self, asset_id: str, stage: str, state: str, **more: Any) -> None:
        if (stage, state) == (self.at, "started"):
            self.at = ""
            stored = assets.artifact(self.factory.engine, asset_id, self.kind)
            spoil(self.factory, stored.key if stored else row_photo(self.factory, asset_id), self.how)


@pytest.mark.parametrize("how", ["missing", "flipped"])
@pytest.mark.parametrize(
    ("kind", "stage", "again"),
    [
        ("photo", "segment", None),
        ("cutout", "views", "segment"),
        ("views", "finish", "views"),
        ("glb", "assess", "finish"),
    ],
)
def test_what_is_lost_under_a_running_build_is_made_again_at_once(
    shop: Shop, how: str, kind: str, stage: str, again: str | None
) -> None:
    factory = shop.factory()
    (shop.photos / "p0.png").write_bytes(b"photo 0")
    plan, models = shop.plan(factory)
    factory.listener = Spoiler(factory, stage, kind, how)
    build_ahead(factory, plan.build, models, lambda: False)
    assert shop.statuses(factory) == {"p0": "finished"}
    assert shop.computed() == {name: 1 + (name == again) for name in STAGE_NAMES}
    assert fsck(factory).left == []


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("force", [True, False])
def test_a_finished_asset_may_be_built_again_over_damage(shop: Shop, how: str, force: bool) -> None:
    factory = build(shop, 1)
    for kind in ("photo", "views", "glb"):
        spoil(factory, key_of(factory, kind), how)
    if not force:
        assets.requeue(factory.engine, ["finished"], [])
    plan, models = shop.plan(factory, force=force)
    build_ahead(factory, plan.build, models, lambda: False)
    assert shop.statuses(factory) == {"p0": "finished"}
    assert fsck(factory).left == []


def test_a_store_that_seems_to_be_gone_is_not_filled_anew(shop: Shop) -> None:
    """As when its disk is not mounted: every object missing, or its marker too."""
    factory = build(shop)
    for entry in list(factory.store.list("objects/")):
        factory.store.delete(entry.key)
    with pytest.raises(InputError, match="Check that it is mounted"):
        fsck(factory, repair=True)
    assert shop.computed() == {}
    for entry in list(factory.store.list("databases/")):
        factory.store.delete(entry.key)
    with pytest.raises(InputError, match="marker"):
        fsck(factory, repair=True)
    assert list(factory.store.list()) == []
    assert to_json(fsck(factory).report(False))["missing"] == 2 * OBJECTS, "looking is always allowed"
    assert fsck(factory, repair=True, really=True).left == []


def test_a_store_that_gives_nothing_is_down_and_one_object_is_unknown(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = build(shop)
    bad, given = {key_of(factory, "glb")}, factory.store.open

    def answer(key: str) -> Any:
        if key in bad:
            raise StoreDown("The disk answers with errors.")
        return given(key)

    monkeypatch.setattr(factory.store, "open", answer)
    found = fsck(factory, repair=True)
    assert [(f.kind, f.state, f.repaired) for f in found.left] == [("glb", "unknown", False)]
    with reading(factory.engine) as session:
        bad |= set(session.scalars(session.query(Artifact.key).statement))
    with pytest.raises(StoreDown):
        fsck(factory, repair=True)


@pytest.mark.parametrize("share", [0.3, 1 / 7])
def test_nights_see_all_objects_once_in_their_turn(shop: Shop, share: float) -> None:
    factory = build(shop)
    nights = round(1 / share + 0.49)
    seen = [fsck(factory, window=window_of_the_night(share, n * DAY)).checked for n in range(nights)]
    assert sum(seen) >= 2 * OBJECTS
    assert max(seen) < 2 * OBJECTS
    whole = [fsck(factory, window=Window(n / 10, 0.1)).checked for n in range(10)]
    assert sum(whole) == 2 * OBJECTS
    assert fsck(factory, window=Window(0.95, 0.1)).checked <= sum((whole[9], whole[0]))
