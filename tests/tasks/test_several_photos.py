"""A product of several photos in the factory: what runs, what is reused, what is recorded. Stages cost nothing here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from test_run_stage import Shop

from core.errors import NotFound
from core.photos.left_out import LEFT_OUT_BY_PERSON, UNNAMED
from core.records import to_json
from db import assets, mends
from db.candidates import ASIDE
from db.engine import writing
from db.lineage import lineage
from db.tables import CollectionMark
from tasks.collect import collect
from tasks.factory import Factory
from tasks.reproduce import reproduce
from tasks.stages import STAGE_NAMES

SIDES = ("front", "right", "back", "left")


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    opened = Shop(tmp_path, f"sqlite:///{tmp_path / 'm.db'}", monkeypatch)
    yield opened
    opened.close()


def photograph(shop: Shop, *sides: str) -> None:
    for side in sides:
        (shop.photos / f"mug_{side}.png").write_bytes(f"photo of the {side}".encode())


def test_every_photo_is_cut_out_once_and_the_asset_is_made_of_all(counter: Shop) -> None:
    factory = counter.factory()
    photograph(counter, *SIDES)
    (asset,) = counter.build(factory).build
    assert counter.computed() == dict.fromkeys(STAGE_NAMES, 1) | {"segment": 4, "align": 1}
    (row,) = assets.list_assets(factory.engine, ids=[asset])
    assert (row.status, row.photos) == ("finished", 4)
    record = to_json(lineage(factory.engine, asset))
    reads = {stage["part"]: {item["role"] for item in stage["inputs"]} for stage in record["stages"]}
    assert reads["align"] == {"cutout", "cutout 2", "cutout 3", "cutout 4"}
    assert all("photos" in reads[part] for part in ("views", "reconstruct", "mesh", "finish", "assess"))
    assert counter.build(factory).build == (), "nothing has changed"
    assert counter.computed() == {}


def test_one_changed_photo_runs_its_own_segment_and_what_follows(counter: Shop) -> None:
    factory = counter.factory()
    photograph(counter, *SIDES)
    counter.build(factory)
    counter.computed()
    (counter.photos / "mug_back.png").write_bytes(b"a better photo of the back")
    counter.build(factory)
    assert counter.computed() == dict.fromkeys(STAGE_NAMES, 1) | {"align": 1}


def test_a_photo_that_shows_nothing_is_left_out(counter: Shop) -> None:
    factory = counter.factory()
    photograph(counter, "front", "right")
    (counter.photos / "mug_back.png").write_bytes(b"bad")
    (asset,) = counter.build(factory).build
    (row,) = assets.list_assets(factory.engine, ids=[asset])
    assert (row.status, row.photos) == ("finished", 2)
    assert told(factory, asset) == {
        "mug_front.png": (True, ""),
        "mug_right.png": (True, ""),
        "mug_back.png": (False, "No object was found in the photo."),
    }
    assert reproduce(factory, asset).same


def test_a_photo_without_a_side_is_handed_on_where_three_others_have_one(counter: Shop) -> None:
    factory = counter.factory()
    (counter.photos / "mug").mkdir()
    for name in ("front", "right", "somehow"):
        (counter.photos / "mug" / f"{name}.png").write_bytes(f"photo {name}".encode())
    (asset,) = counter.build(factory).build
    assert told(factory, asset)["somehow.png"] == (False, UNNAMED)
    (counter.photos / "mug" / "back.png").write_bytes(b"photo of the back")
    (asset,) = counter.build(factory).build
    assert told(factory, asset)["somehow.png"] == (True, "")
    (row,) = assets.list_assets(factory.engine, ids=[asset])
    assert row.photos == 4


def test_what_its_name_sets_aside_is_kept_unread_and_said(counter: Shop) -> None:
    factory = counter.factory()
    photograph(counter, *SIDES)
    (asset,) = counter.build(factory).build
    keys = {stage["part"]: stage["key"] for stage in to_json(lineage(factory.engine, asset))["stages"]}
    counter.computed()
    beside = ("packaging", "detail", "lifestyle", "top")
    photograph(counter, *beside)
    plan = counter.build(factory)
    assert plan.build == ()
    assert counter.computed() == {}
    assert {stage["part"]: stage["key"] for stage in to_json(lineage(factory.engine, asset))["stages"]} == keys
    said = told(factory, asset)
    assert [said[f"mug_{side}.png"][0] for side in SIDES] == [True] * 4
    assert said["mug_packaging.png"] == (False, "It shows the packaging, not the product: kept, not used.")
    assert [said[f"mug_{name}.png"][0] for name in beside] == [False] * 4
    assert all(said[f"mug_{name}.png"][1] for name in beside)


def test_a_person_says_which_side_a_photo_shows_and_every_later_night_keeps_it(counter: Shop) -> None:
    factory = counter.factory()
    photograph(counter, "front", "right", "back")
    (first,) = counter.build(factory).build
    product = mends.product_of(factory.engine, first)
    shots = {shot["role"]: shot for shot in to_json(lineage(factory.engine, first))["shots"]}
    mends.say_side(factory.engine, product, shots["right"]["id"], "left")
    mends.say_side(factory.engine, product, shots["back"]["id"], ASIDE)
    (second,) = counter.build(factory).build
    (further,) = assets.job(factory.engine, second).candidate.further
    assert (further.role, further.azimuth) == ("left", 270)
    assert told(factory, second)["mug_back.png"] == (False, LEFT_OUT_BY_PERSON)
    assert counter.build(factory).build == ()
    for role in ("right", "back"):
        mends.say_side(factory.engine, product, shots[role]["id"], None)
    assert counter.build(factory).build == (first,), "what the names say is the first asset again"
    with pytest.raises(NotFound):
        mends.say_side(factory.engine, product, 99_999, "left")


def told(factory: Factory, asset: str) -> dict[str, tuple[bool, str]]:
    """Of each photo of the asset's product whether it is used, and what is said of it."""
    shots = to_json(lineage(factory.engine, asset))["shots"]
    return {shot["uri"].rsplit("/", 1)[-1]: (shot["used"], shot["said"]) for shot in shots}


def test_with_no_other_photo_left_the_asset_is_the_one_of_its_main_photo(counter: Shop) -> None:
    factory = counter.factory()
    (counter.photos / "mug").mkdir()
    (counter.photos / "mug" / "front.png").write_bytes(b"photo of the front")
    (alone,) = counter.build(factory).build
    keys = {stage["part"]: stage["key"] for stage in to_json(lineage(factory.engine, alone))["stages"]}
    counter.computed()
    (counter.photos / "mug" / "back.png").write_bytes(b"bad")
    (both,) = counter.build(factory).build
    stands = {stage["part"]: stage["key"] for stage in to_json(lineage(factory.engine, both))["stages"]}
    same = ("segment", "views", "reconstruct", "mesh")
    assert {part: stands[part] for part in same} == {part: keys[part] for part in same}


@pytest.mark.parametrize("sides", [SIDES, ("front",)], ids=["four", "one"])
def test_an_asset_of_several_photos_is_made_again(counter: Shop, sides: tuple[str, ...]) -> None:
    factory = counter.factory()
    photograph(counter, *sides)
    (asset,) = counter.build(factory).build
    again = reproduce(factory, asset)
    assert again.same, [item for item in again.artifacts if not item.same]
    assert sum(item.kind == "cutout" for item in again.artifacts) == len(sides)


def test_further_photos_of_a_published_asset_are_no_garbage(counter: Shop) -> None:
    """The product has others since, and no successor stands yet."""
    factory = counter.factory()
    photograph(counter, *SIDES)
    (asset,) = counter.build(factory).build
    (counter.photos / "mug_back.png").write_bytes(b"another photo of the back")
    (counter.photos / "mug_front.png").write_bytes(b"says that it cannot be")
    counter.build(factory)
    assert {row.sku for row in assets.list_assets(factory.engine, status="failed")} == {"mug"}
    for _ in range(2):
        collect(factory, delete=True, superseded=True, older_than=-60, really=True)
        with writing(factory.engine) as session:
            session.execute(update(CollectionMark).values(marked=CollectionMark.marked - 100_000))
    back = hashlib.sha256(b"photo of the back").hexdigest()
    assert any(back in entry.key for entry in factory.store.list("objects/"))
    assert reproduce(factory, asset).same
