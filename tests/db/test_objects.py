"""Which objects a check reads, and where they come from. On both databases."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from test_planning import plan, stock, wanted
from test_publications import A, end

from db import objects
from db.engine import writing
from db.objects import Window
from db.tables import Artifact


@pytest.fixture
def shop(engine: Any) -> Any:
    """A published asset, and 300 photos, every tenth of them collected, every third stored under two rows."""
    plan(engine, wanted(engine, stock(engine, 1), "a"))
    end(engine, A, "one", "finished")
    with writing(engine) as session:
        for n in range(300):
            sha256 = hashlib.sha256(b"%d" % n).hexdigest()
            for _ in range(1 + (n % 3 == 0)):
                session.add(
                    Artifact(kind="photo", key=f"objects/{sha256}", uri="u", sha256=sha256, bytes=1, media_type="t")
                )
        session.flush()
        for row in session.query(Artifact).filter(Artifact.kind == "photo"):
            row.collected_at = row.created_at if int(row.sha256[:8], 16) % 10 == 0 else None
    return engine


def keys(engine: Any, window: Window) -> list[str]:
    return [stored.key for page in objects.wanted(engine, window) for stored in page]


def test_each_object_once_and_none_that_was_given_up(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = sum(int(hashlib.sha256(b"%d" % n).hexdigest()[:8], 16) % 10 == 0 for n in range(300))
    found = keys(shop, Window())
    assert len(found) == len(set(found)) == 302 - given_up
    monkeypatch.setattr(objects, "PAGE", 7)
    assert keys(shop, Window()) == found


@pytest.mark.parametrize("share", [0.01, 0.1, 1 / 3, 0.999])
def test_windows_side_by_side_hold_every_object_once(shop: Any, share: float) -> None:
    photos = {key for key in keys(shop, Window()) if key.startswith("objects/")}
    seen: list[str] = []
    start = 0.0
    while start < 1:
        seen += keys(shop, Window(start, min(share, 1 - start)))
        start += share
    assert sorted(key for key in seen if key.startswith("objects/")) == sorted(photos)


def test_a_window_goes_round(shop: Any) -> None:
    both = keys(shop, Window(0.9, 0.2))
    parts = {*keys(shop, Window(0.9, 0.1)), *keys(shop, Window(0.0, 0.1))}
    assert {key for key in both if key.startswith("objects/")} == {k for k in parts if k.startswith("objects/")}


def test_who_an_object_is_of_and_how_it_was_made(shop: Any) -> None:
    (user,) = objects.users(shop, "glb one")
    assert (user.catalogue, user.sku, user.asset_id, user.published) == ("shop", "s0000", A, True)
    (origin,) = objects.origins(shop, "glb one")
    assert (origin.stage, [stored.key for stored in origin.made]) == ("finish", ["glb one", "model.usdz one"])
    assert objects.origins(shop, keys(shop, Window())[0]) == [], "nobody here made a photo"
    assert objects.photo_places(shop, "file:///0") == ["file:///0"]
    assert objects.users(shop, "nothing") == []
