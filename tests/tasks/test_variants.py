"""Colour variants of a manifest: one reconstruction, textures and a GLB each. Stages cost nothing here."""

from __future__ import annotations

import pytest
from sqlalchemy import delete
from test_forecast import put
from test_known_sizes import build
from test_run_stage import Shop, shop, small_shop  # noqa: F401 - the fixtures

from core.errors import InputError
from core.records import to_json
from db import assets
from db.engine import writing
from db.families import published_family
from db.lineage import lineage
from db.tables import Publication
from tasks.duplicates import duplicate_warning
from tasks.forecast import forecast
from tasks.mending import next_version
from tasks.reproduce import reproduce
from tasks.stages import STAGE_NAMES
from tasks.variants import joined, say_variant

TABLE = "sku;photo;variant_of;height\nB;b_1.png;;12\nA-blue;a_1.png;B;\nC-green;c_1.png;A-blue;\n"
ONE_EACH = dict.fromkeys(STAGE_NAMES, 1)


def stock(shop: Shop, table: str = TABLE) -> None:  # noqa: F811
    put(shop.photos, "a_1.png", "b_1.png", "c_1.png")
    (shop.photos / "table.csv").write_text(table)


def codes(shop: Shop, factory: object) -> dict[str, list[str]]:  # noqa: F811
    rows = assets.list_assets(factory.engine)  # type: ignore[attr-defined]
    return {row.sku: [told["code"] for told in row.reasons] for row in rows if row.status != "superseded"}


def test_one_reconstruction_and_a_file_for_each(shop: Shop) -> None:  # noqa: F811
    """Built in the order of SKUs: the variant comes before the product whose shape it takes over."""
    stock(shop)
    factory = shop.factory()
    build(shop, factory)
    three = dict.fromkeys(("segment", "views", "finish", "assess"), 3)
    assert shop.computed() == three | {"reconstruct": 1, "mesh": 1, "recolour": 2}
    rows = {row.sku: row for row in assets.list_assets(factory.engine)}
    assert {row.status for row in rows.values()} == {"finished"}
    assert len({row.glb for row in rows.values()}) == 3
    assert {sku: row.photos for sku, row in rows.items()} == {"A-blue": 1, "B": 1, "C-green": 1}
    assert {sku: row.size_known for sku, row in rows.items()} == {"A-blue": True, "B": True, "C-green": True}
    finish = [s for s in to_json(lineage(factory.engine, rows["A-blue"].asset_id))["stages"] if s["stage"] == "finish"]
    assert finish[0]["parameters"]["about"]["height_cm"] == 12, "as high as the product whose shape it has"
    build(shop, factory)
    assert shop.computed() == {}, "nothing has changed"


def test_another_photo_of_the_base_builds_all_of_them_again(small_shop: Shop) -> None:  # noqa: F811
    stock(small_shop)
    factory = small_shop.factory()
    build(small_shop, factory)
    small_shop.computed()
    put(small_shop.photos, "b_2 better.png")
    (small_shop.photos / "b_2 better.png").rename(small_shop.photos / "b_1.png")
    build(small_shop, factory)
    ran = small_shop.computed()
    assert (ran["reconstruct"], ran["mesh"], ran["recolour"], ran["finish"]) == (1, 1, 2, 3)


def test_a_photo_of_another_shape_is_built_by_itself_and_says_so(small_shop: Shop) -> None:  # noqa: F811
    stock(small_shop, "sku;photo;variant_of\nB;b_1.png;\nA;a_1.png;B\n")
    (small_shop.photos / "a_1.png").write_bytes(b"another shape")
    factory = small_shop.factory()
    build(small_shop, factory)
    ran = small_shop.computed()
    assert ran == dict.fromkeys(STAGE_NAMES, 2) | {"recolour": 1}
    assert "variant_differs" in codes(small_shop, factory)["A"]


@pytest.mark.parametrize(
    "table",
    [
        "sku;photo;variant_of\nA;a_1.png;nothing\n",
        "sku;photo;variant_of\nA;a_1.png;A\n",
        "sku;photo;variant_of\nA;a_1.png;B\nB;b_1.png;A\n",
        "sku;photo;variant_of\nA;a_1.png;B\nB;nowhere.png;\n",
    ],
    ids=["not there", "itself", "in a circle", "its photo is missing"],
)
def test_a_name_that_leads_nowhere_is_said(small_shop: Shop, table: str) -> None:  # noqa: F811
    stock(small_shop, table)
    factory = small_shop.factory()
    build(small_shop, factory)
    assert {"variant_of_nothing", "variant_differs"} & set(codes(small_shop, factory)["A"])
    statuses = {row.sku: row.status for row in assets.list_assets(factory.engine)}
    assert statuses["A"] == "finished"
    assert "recolour" not in small_shop.computed()


def test_a_variant_is_made_again_and_foretold(small_shop: Shop) -> None:  # noqa: F811
    stock(small_shop)
    factory = small_shop.factory()
    build(small_shop, factory)
    row = next(row for row in assets.list_assets(factory.engine) if row.sku == "A-blue")
    again = reproduce(factory, row.asset_id)
    assert again.same, [item for item in again.artifacts if not item.same]
    assert "recolour" in {item.stage for item in again.artifacts}
    recipe = small_shop.recipe("finish.texture=256")
    plan = forecast(factory, str(small_shop.photos / "table.csv"), recipe)
    assert {p.found.sku: p.stages for p in plan.products}["A-blue"] == ("finish", "assess")


def test_all_colours_are_asked_for_as_one_file(small_shop: Shop) -> None:  # noqa: F811
    stock(small_shop, TABLE + "lone;a_1.png;;3\n")
    factory = small_shop.factory()
    build(small_shop, factory)
    ids = {row.sku: row.asset_id for row in assets.list_assets(factory.engine)}
    family = [("B", ids["B"]), ("A-blue", ids["A-blue"]), ("C-green", ids["C-green"])]
    assert all(published_family(factory.engine, ids[sku]) == family for sku in ("A-blue", "B", "C-green"))
    with pytest.raises(InputError, match="lone has no colour variants"):
        joined(factory, ids["lone"])
    with writing(factory.engine) as session:
        session.execute(delete(Publication).where(Publication.asset_id == ids["C-green"]))
    with pytest.raises(InputError, match="C-green is not published yet"):
        joined(factory, ids["B"])


def test_a_folders_variant_is_suggested_and_a_person_confirms_it(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder has no column variant_of: pictures of one structure in other colours are named, and a person says so."""
    put(small_shop.photos, "cup.png", "mug.png")
    factory = small_shop.factory()
    prints = {"cup": "f" * 64 + "0" * 128, "mug": "f" * 63 + "e" + "0" * 64 + "f" * 64}
    seen = iter(("cup", "mug"))
    monkeypatch.setattr("tasks.build.duplicate_warning", lambda f, c, _: duplicate_warning(f, c, prints[next(seen)]))
    build(small_shop, factory)
    assert codes(small_shop, factory) == {"cup": ["size_unknown"], "mug": ["looks_like_variant", "size_unknown"]}
    monkeypatch.undo()
    mug = next(row for row in assets.list_assets(factory.engine) if row.sku == "mug")
    with pytest.raises(InputError, match="no other product"):
        say_variant(factory, mug.asset_id, "mug", "me")
    small_shop.computed()
    say_variant(factory, mug.asset_id, "cup", "me")
    next_version(factory, mug.asset_id)
    build(small_shop, factory)
    assert small_shop.computed() == {"recolour": 1, "views": 1, "finish": 1, "assess": 1}
    say_variant(factory, mug.asset_id, "", "me")
    assert next_version(factory, mug.asset_id) == mug.asset_id, "as it was"
