"""Records as JSON values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from core.records import INLINE, OPTIONAL, to_json


@dataclass(frozen=True)
class Inner:
    sku: str
    sizes: tuple[int, ...] = (1, 2)


class Model(BaseModel):
    at: datetime


@dataclass(frozen=True)
class Outer:
    of: Inner = field(metadata=INLINE)
    said: str | None = None
    sheet: Path | None = field(default=None, metadata=OPTIONAL)


def test_records_become_objects_in_the_order_of_their_fields():
    found = to_json(Outer(Inner("a")))
    assert list(found.items()) == [("sku", "a"), ("sizes", [1, 2]), ("said", None)]
    assert to_json(Outer(Inner("a"), sheet=Path("out/s.png")))["sheet"] == "out/s.png"


def test_models_times_and_what_holds_them():
    at = datetime(2026, 11, 28, tzinfo=UTC)
    assert to_json({"a": [at, Model(at=at)]}) == {"a": ["2026-11-28T00:00:00+00:00", {"at": "2026-11-28T00:00:00Z"}]}
