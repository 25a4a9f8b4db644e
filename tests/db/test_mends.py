"""What people mended stands before the catalogue's word, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from core.errors import NotFound
from db import assets, mends, planning
from db.engine import reading, writing
from db.tables import Photo, Product
from storage import open_store
from tests.gallery.conftest import fill


@pytest.fixture
def product(engine: Engine, tmp_path: Path) -> int:
    """A product of three centimetres, seen from its front and its back."""
    fill(engine, open_store(f"file://{tmp_path / 'store'}"))
    product_id = mends.product_of(engine, "asset-0000")
    with writing(engine) as session:
        session.get_one(Product, product_id).height_cm = 3.0
        front = session.scalars(select(Photo).where(Photo.product_id == product_id)).one()
        front.role, front.azimuth = "front", 0.0
        session.add(Photo(product_id=product_id, sha256="b" * 64, bytes=1, source_uri="file:///b", file_stamp="b",
                          role="back", azimuth=180.0, used_for="geometry", shot_index=2))  # fmt: skip
    return product_id


def candidate(engine: Engine, product_id: int) -> planning.Candidate:
    (found,) = planning.candidates_by_id(engine, [product_id])
    return found


def test_a_size_and_a_front_stand_before_the_catalogue_s(engine: Engine, product: int) -> None:
    assert (candidate(engine, product).height_cm, candidate(engine, product).azimuth) == (3.0, None)
    mends.mend(engine, product, "Ann", {"height_cm": 9.5})
    mends.mend(engine, product, "Bob", {"azimuth": 30.0})
    found = candidate(engine, product)
    assert (found.height_cm, found.width_cm, found.azimuth) == (9.5, None, 30.0)
    assert assets.job(engine, "asset-0000").candidate.height_cm == 9.5
    (row,) = assets.list_assets(engine, ids=["asset-0000"])
    assert row.size_known
    (other,) = assets.list_assets(engine, ids=["asset-0001"])
    assert not other.size_known
    page = planning.candidates(engine, 1)
    assert [c.height_cm for c in page if c.product_id != product] == [None] * (len(page) - 1)


def test_a_chosen_photo_holds_until_the_catalogue_shows_another(engine: Engine, product: int) -> None:
    front, back = mends.photos_of(engine, product)
    assert [photo.sha256 for photo in candidate(engine, product).further] == [back.sha256]
    mends.choose_photo(engine, product, back.id, "Ann")
    found = candidate(engine, product)
    assert (found.photo_id, found.azimuth) == (back.id, 180.0)
    assert [(photo.sha256, photo.azimuth) for photo in found.further] == [(front.sha256, 180.0)], "seen from the back"
    with writing(engine) as session:
        session.get_one(Photo, front.id).chosen = False
        session.flush()
        session.add(Photo(product_id=product, sha256="c" * 64, bytes=1, source_uri="file:///c", file_stamp="c",
                          chosen=True))  # fmt: skip
    assert candidate(engine, product).photo_sha256 == "c" * 64
    with pytest.raises(NotFound):
        mends.choose_photo(engine, product, 10**9, "Ann")


def test_a_painted_photo_takes_the_place_of_the_one_it_shows_anew(engine: Engine, product: int) -> None:
    front, back = mends.photos_of(engine, product)
    for _ in range(2):  # the same twice is one photo
        mends.add_photo(engine, product, "d" * 64, 9, "file:///d", "Ann", like=front.id)
    found = candidate(engine, product)
    assert found.photo_sha256 == "d" * 64
    assert [photo.sha256 for photo in found.further] == [back.sha256], "not the photo that it was painted on"
    with reading(engine) as session:
        (painted,) = session.scalars(select(Photo).where(Photo.sha256 == "d" * 64))
        assert (painted.role, painted.azimuth, painted.current) == ("front", 0.0, False)
