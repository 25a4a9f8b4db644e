"""Which asset a person means by a name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import AmbiguousName, NotFound
from db.catalogue import ensure_catalogue
from db.engine import writing
from db.skus import find_asset, find_product
from db.tables import Asset, Photo, Product, RecipeRow


@pytest.fixture
def shop(engine: Any) -> Any:
    """Two folders of one name; `mug` stands in both, `TS/100+BLK` in one, `photos/mug` is a SKU of its own."""
    first = ensure_catalogue(engine, "photos", "file:///spring/photos")
    second = ensure_catalogue(engine, "photos", "file:///autumn/photos")
    products = [(first, "mug"), (second, "mug"), (first, "TS/100+BLK"), (second, "photos-2/cup"), (first, "new")]
    with writing(engine) as session:
        session.add(RecipeRow(hash="r", name="starter", parameters={}))
        for number, (catalogue, sku) in enumerate(products, 1):
            session.add(Product(id=number, catalogue_id=catalogue, sku=sku, name=sku))
            session.flush()
            session.add(Photo(id=number, product_id=number, sha256="s", bytes=1, source_uri="u", file_stamp="1"))
            session.flush()
            if sku != "new":
                session.add(_asset(number, "a", "superseded", 20))
                session.add(_asset(number, "b", "failed", 21))
                session.add(_asset(number, "c", "superseded", 22))
    return engine


def _asset(product: int, letter: str, status: str, day: int) -> Asset:
    at = datetime(2026, 11, day, tzinfo=UTC)
    return Asset(id=f"{letter}{product}", product_id=product, photo_id=product, recipe_hash="r", plan_key=letter,
                 model="m", status=status, created_at=at)  # fmt: skip


def test_sources_of_one_name_get_catalogues_of_unlike_names(shop: Any) -> None:
    assert ensure_catalogue(shop, "photos", "file:///spring/photos") == 1, "known by its source, whatever its name"
    ensure_catalogue(shop, "photos", "file:///third/photos")
    with writing(shop) as session:
        from sqlalchemy import text

        names = session.execute(text("SELECT name FROM catalogue ORDER BY id")).scalars().all()
    assert names == ["photos", "photos-2", "photos-3"]


def test_a_sku_in_two_catalogues_is_refused_and_both_are_listed(shop: Any) -> None:
    with pytest.raises(AmbiguousName) as caught:
        find_asset(shop, "mug")
    for part in ("photos (file:///spring/photos)", "photos-2 (file:///autumn/photos)", "'photos/mug'", "--catalogue"):
        assert part in str(caught.value)
    with pytest.raises(AmbiguousName):
        find_product(shop, "mug")


@pytest.mark.parametrize(
    ("name", "catalogue", "asset"),
    [
        ("b2", (), "b2"),
        ("mug", ("photos",), "b1"),
        ("mug", ("photos-2",), "b2"),
        ("mug", ("file:///autumn/photos",), "b2"),
        ("photos/mug", (), "b1"),
        ("photos-2/mug", (), "b2"),
        ("TS/100+BLK", (), "b3"),
        ("photos/TS/100+BLK", (), "b3"),
        ("photos-2/cup", (), "b4"),
        ("photos-2/photos-2/cup", (), "b4"),
    ],
)
def test_the_exact_sku_is_meant_first_then_catalogue_and_sku(
    shop: Any, name: str, catalogue: tuple[str, ...], asset: str
) -> None:
    assert find_asset(shop, name, catalogue) == asset, "the newest that was not superseded"


@pytest.mark.parametrize(
    ("name", "catalogue"),
    [
        ("cup", ()),
        ("MUG", ()),
        ("mug", ("spring",)),
        ("photos-3/mug", ()),
        ("new", ()),
        ("/mug", ()),
        ("photos/", ()),
        ("", ()),
    ],
)
def test_other_names_are_unknown(shop: Any, name: str, catalogue: tuple[str, ...]) -> None:
    with pytest.raises(NotFound, match="There is no asset or SKU"):
        find_asset(shop, name, catalogue)
