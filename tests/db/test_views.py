"""What other teams are promised: `finished_assets` and `finished_files`, from what the tables hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import writing
from db.publications import publish
from db.tables import (
    Artifact,
    ArtifactInput,
    Asset,
    AssetStage,
    Catalogue,
    Photo,
    Product,
    RecipeRow,
    Review,
    StageRun,
)

BUILT = datetime(2026, 11, 22, 20, tzinfo=UTC)
PUBLISHED = datetime(2026, 11, 23, 9, tzinfo=UTC)
KINDS = ("glb", "lod1.glb", "small.glb", "model.usdz", "hero.png", "report")


def add_asset(session: Any, number: int, figures: dict[str, Any] | None, kinds: tuple[str, ...] = KINDS) -> None:
    """Asset ``number`` of product ``number``: made from two photos, its finish stage made ``kinds``."""
    photos = [Artifact(kind="photo", key=f"p{number}{n}", uri="u", sha256="s", bytes=1, media_type="t") for n in (1, 2)]
    segment = StageRun(key=f"s{number}", stage="segment", version=1, state="finished", parameters={}, owner="o")
    finish = StageRun(
        key=f"f{number}", stage="finish", version=1, state="finished", parameters={}, owner="o", figures=figures,
        finished_at=BUILT,
    )  # fmt: skip
    session.add_all([*photos, segment, finish])
    session.flush()
    made = {
        kind: Artifact(made_by=finish.id, kind=kind, key=f"{kind}{number}", uri=f"s3://shop/{kind}{number}",
                       sha256=f"{kind}-sha", bytes=7, media_type=f"type/{kind}")
        for kind in kinds
    }  # fmt: skip
    session.add_all(made.values())
    session.flush()
    session.add_all(ArtifactInput(stage_run_id=segment.id, artifact_id=p.id, role=f"photo{p.id}") for p in photos)
    session.add(
        Asset(id=f"a{number}", product_id=number, photo_id=number, recipe_hash="r", plan_key=f"k{number}",
              model="starter@c", status="finished", score=0.7, faces=12, bytes=7, seconds=3.0, licence="CC0-1.0",
              glb_id=made["glb"].id, finished_at=PUBLISHED)
    )  # fmt: skip
    session.flush()
    publish(session, f"a{number}")
    session.add(AssetStage(asset_id=f"a{number}", stage="segment", stage_run_id=segment.id, reused=False))
    session.add(AssetStage(asset_id=f"a{number}", stage="finish", stage_run_id=finish.id, reused=False))


@pytest.fixture
def shop(engine: Any) -> Any:
    with writing(engine) as session:
        session.add(RecipeRow(hash="r", name="starter", parameters={}))
        for number, name in ((1, "spring"), (2, "autumn")):
            session.add(Catalogue(id=number, name=name, source_uri=f"file:///{name}"))
        session.flush()
        session.add(Product(id=1, catalogue_id=1, sku="mug", name="A mug", height_cm=9.8))
        session.add(Product(id=2, catalogue_id=2, sku="mug", name="Another mug"))
        session.add(Product(id=3, catalogue_id=2, sku="cap", name="A cap", width_cm=30))
        session.flush()
        for number in (1, 2, 3):
            session.add(Photo(id=number, product_id=number, sha256="s", bytes=1, source_uri="u", file_stamp="1"))
        session.flush()
        add_asset(session, 1, {"size_m": [0.12, 0.098, 0.08], "size_known": True})
        add_asset(session, 2, {"size_m": [1.0, 0.5, 0.25], "size_known": False})
        add_asset(session, 3, None, ("glb",))
        session.add(Review(asset_id="a1", decision="reject", reviewer="Bob"))
        session.flush()
        session.add(Review(asset_id="a1", decision="approve", reviewer="Ann"))
    return engine


def rows(engine: Any, query: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(text(query))]


def test_a_finished_asset_says_all_that_a_shop_asks(shop: Any) -> None:
    found = rows(shop, "SELECT * FROM finished_assets")
    by = {(row["catalogue"], row["sku"]): row for row in found}
    assert len(by) == len(found) == 3
    mug, other, cap = by["spring", "mug"], by["autumn", "mug"], by["autumn", "cap"]
    assert mug["name"] == "A mug"
    assert [mug[f"{kind}_uri"] for kind in ("glb", "usdz", "poster", "small")] == [
        f"s3://shop/{kind}1" for kind in ("glb", "model.usdz", "hero.png", "small.glb")
    ]
    assert (mug["sha256"], mug["faces"], mug["bytes"], mug["score"], mug["quality"]) == ("glb-sha", 12, 7, 0.7, 0.7)
    assert [mug[f"{side}_m"] for side in ("width", "height", "depth")] == [0.12, 0.098, 0.08]
    assert [bool(row["size_known"]) for row in (mug, other, cap)] == [True, False, True]
    assert cap["width_m"] is None, "an asset of an earlier version, whose figures said no size"
    assert (cap["usdz_uri"], cap["poster_uri"], cap["small_uri"]) == (None, None, None)
    assert {row["photos"] for row in by.values()} == {2}
    assert (mug["reviewer"], other["reviewer"]) == ("Ann", None)
    assert (mug["recipe"], mug["model"], mug["licence"]) == ("starter", "starter@c", "CC0-1.0")
    assert "2026-11-22" in str(mug["built_at"])
    assert "2026-11-23" in str(mug["published_at"])
    assert mug["published_at"] == mug["finished_at"]


def test_what_a_successor_has_made_so_far_is_not_published(shop: Any) -> None:
    """It is being built under the same asset: the links of its stages move before its GLB does."""
    with writing(shop) as session:
        run = StageRun(key="new", stage="finish", version=1, state="finished", parameters={}, owner="o",
                       figures={"size_m": [9, 9, 9]})  # fmt: skip
        session.add(run)
        session.flush()
        session.add(
            Artifact(made_by=run.id, kind="model.usdz", key="n", uri="new", sha256="n", bytes=1, media_type="t")
        )
        session.merge(AssetStage(asset_id="a1", stage="finish", stage_run_id=run.id, reused=False))
    (mug,) = rows(shop, "SELECT * FROM finished_assets WHERE catalogue = 'spring'")
    assert mug["usdz_uri"] == "s3://shop/model.usdz1"
    assert mug["width_m"] == 0.12
    assert "new" not in {row["uri"] for row in rows(shop, "SELECT uri FROM finished_files")}


def test_the_files_of_finished_assets(shop: Any) -> None:
    files = rows(shop, "SELECT * FROM finished_files WHERE catalogue = 'spring' AND sku = 'mug' ORDER BY kind")
    assert [file["kind"] for file in files] == sorted(KINDS)
    assert files[0] == {
        "catalogue": "spring", "sku": "mug", "kind": "glb", "uri": "s3://shop/glb1", "sha256": "glb-sha", "bytes": 7,
        "media_type": "type/glb",
    }  # fmt: skip
    with writing(shop) as session:
        session.execute(text("UPDATE artifact SET collected_at = created_at WHERE kind = 'report'"))
        session.execute(text("DELETE FROM publication WHERE asset_id = 'a2'"))
    left = rows(shop, "SELECT DISTINCT catalogue, kind FROM finished_files ORDER BY kind")
    assert {row["kind"] for row in left if row["catalogue"] == "spring"} == set(KINDS) - {"report"}
    assert {row["kind"] for row in left if row["catalogue"] == "autumn"} == {"glb"}, "the cap's"
