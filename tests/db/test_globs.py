"""Globs over SKUs mean on both databases what Python's fnmatchcase says."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from db.assets import list_assets
from db.engine import reading, writing
from db.globs import matches, regex
from db.tables import Asset, Catalogue, Photo, Product, RecipeRow

SKUS = [
    "mug", "MUG", "Mug", "mug_1", "mugX1", "50%", "50x", "a\\b", "a\\\\b", "a*b", "a?b", "axb", "a[1]b", "a1b", "a]b",
    "a-b", "a^b", "a!b", "TS/100+BLK", "ts/100+blk", "Tässe", "TÄSSE", "a.b", "a|b", "a b", "a\nb", "(ab)", "{ab}",
    "☕", "a&&b", "a[:alpha:]b", "", "*",
]  # fmt: skip

GLOBS = [
    "mug", "MUG", "m*", "M*", "*g", "mug_*", "mug?1", "50%", "50*", "a\\b", "a\\*", "a[*]b", "a*b", "a?b", "a[1]b",
    "a[[]1]b", "a[!1]b", "a[]]b", "a[!]]b", "a[-]b", "a[1-9]b", "a[9-1]b", "a[!9-1]b", "a[^b]b", "a[!^]b", "[",
    "a[", "a[b", "TS/*", "TS/100+BLK", "T[äÄ]*", "a.b", "a|b", "(ab)", "{ab}", "?", "*", "**", "", "[[:alpha:]]*",
    "a[\\]b", "[!a]*",
    "a[&&]*b", "a[[:alpha:]]b", "a\nb", "*\n*", "a[.=:]b",
]  # fmt: skip


@pytest.fixture
def shop(engine: Any) -> Any:
    with writing(engine) as session:
        session.add(Catalogue(id=1, name="[shop]", source_uri="file:///shop"))
        session.add(Catalogue(id=2, name="Shop", source_uri="file:///other"))
        session.add(RecipeRow(hash="r", name="starter", parameters={}))
        session.flush()
        for number, sku in enumerate(SKUS, 1):
            session.add(Product(id=number, catalogue_id=1, sku=sku, name=sku))
        session.add(Product(id=1000, catalogue_id=2, sku="other", name="other"))
        session.flush()
        for number in [*range(1, len(SKUS) + 1), 1000]:
            session.add(Photo(id=number, product_id=number, sha256="p", bytes=1, source_uri="x", file_stamp="1"))
            session.flush()
            session.add(
                Asset(id=f"a{number}", product_id=number, photo_id=number, recipe_hash="r", plan_key="k", model="m")
            )
    return engine


def found(engine: Any, **filters: str) -> set[str]:
    return {row.sku for row in list_assets(engine, **filters)}  # type: ignore[arg-type]


@pytest.mark.parametrize("glob", [glob for glob in GLOBS if glob])
def test_a_glob_finds_what_it_says_and_the_sku_of_that_very_name(shop: Any, glob: str) -> None:
    wanted = {sku for sku in SKUS if fnmatchcase(sku, glob) or sku == glob}
    assert found(shop, sku=glob, catalogue="[[]shop]") == wanted


def test_a_catalogue_is_a_glob_too(shop: Any) -> None:
    assert found(shop, catalogue="Shop") == {"other"}
    assert found(shop, catalogue="S*") == {"other"}
    assert found(shop, catalogue="s*") == set()
    assert found(shop, catalogue="[shop]") == set(SKUS), "its very name"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(glob=st.text(alphabet="ab*?[]!-^\\%_.A", max_size=8))
def test_hostile_globs_mean_the_same_on_every_database(engine: Any, glob: str) -> None:
    names = ["a", "b", "ab", "aB", "a-b", "a]b", "a[b", "a^b", "a!b", "a\\b", "%", "_", "A", "a.b", "-", "]", "\\"]
    with reading(engine) as session:
        for name in names:
            from sqlalchemy import literal

            said = session.scalar(select(matches(literal(name), glob)))
            assert bool(said) == (fnmatchcase(name, glob) or name == glob), (name, glob, regex(glob))
