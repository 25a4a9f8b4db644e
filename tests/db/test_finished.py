"""The published assets as typed rows are the view's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import inspect

from db.finished import FinishedAsset, finished_assets


def test_the_fields_are_the_views_columns(engine: Any) -> None:
    columns = {column["name"] for column in inspect(engine).get_columns("finished_assets")}
    # Kept in the view for older readers: `quality` is `score`, `finished_at` is `published_at`; the hash says less
    # than the recipe's name.
    assert columns - {field.name for field in fields(FinishedAsset)} == {"quality", "finished_at", "recipe_hash"}
    assert {field.name for field in fields(FinishedAsset)} <= columns


def test_an_empty_database_has_none(engine: Any) -> None:
    assert list(finished_assets(engine, catalogue="shop", sku="MUG-[0-9]*")) == []
