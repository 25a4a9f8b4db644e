"""The queries that the operations page gives to other teams, run as they stand on both databases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from test_run_stage import Shop, shop  # noqa: F401 - the fixture

from tasks.stages import STAGE_NAMES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def queries() -> dict[str, str]:
    """Comment to statement."""
    found: dict[str, str] = {}
    for block in re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.S):
        for statement in filter(str.strip, block.split(";")):
            comment, _, query = statement.strip().removeprefix("-- ").partition("\n")
            found[comment] = query
    return found


def test_every_documented_query_runs_and_says_what_it_promises(shop: Shop) -> None:  # noqa: F811
    factory = shop.factory()
    (shop.photos / "mug.png").write_bytes(b"photo")
    (shop.photos / "none.png").write_bytes(b"bad")
    shop.build(factory)
    rows: dict[str, list[Any]] = {}
    with factory.engine.connect() as connection:
        for comment, query in queries().items():
            rows[comment] = list(connection.execute(text(query)))
    assert len(rows) >= 10
    assert [row[0] for row in rows["everything that may be published, one row a product"]] == ["mug"]
    assert [row[0] for row in rows["what came out today"]] == ["mug"]
    (missing,) = rows["products in the catalogue that have nothing to show yet, and why"]
    assert tuple(missing) == ("none", "quarantined", "NoObject", "No object was found in the photo.")
    files = rows["the files of one asset: GLB, levels of detail, USDZ, pictures"]
    assert "glb" in {row[0] for row in files}
    assert {row[0] for row in rows["what went into each stage of one asset"]} == set(STAGE_NAMES)
    assert {row[0] for row in rows["where time, memory and money go"]} == set(STAGE_NAMES)
    assert [tuple(row)[2] for row in rows["failures by reason, today"]] == [1]


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_the_documented_queries_are_found(page: str) -> None:
    assert "```sql" in (PAGE.parents[1] / page).read_text("utf-8")
