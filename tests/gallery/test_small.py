"""A small picture is made once, whoever asks; failures and what was forgotten are made anew."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

import gallery.app
from gallery.app import create_app
from gallery.small import SmallPictures
from tests.gallery.conftest import Shop


def test_a_picture_is_made_once_and_the_oldest_is_forgotten() -> None:
    made: list[str] = []

    def make(name: str) -> bytes:
        made.append(name)
        return name.encode()

    small = SmallPictures(2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert small.get("photo", name, lambda: make(name)) == name.encode()  # noqa: B023 - called at once
    assert made == ["a", "b", "c", "b"]
    assert small.get("glb", "a", lambda: b"another") == b"another", "of another kind"


def test_what_fails_is_tried_again() -> None:
    small = SmallPictures()
    with pytest.raises(ValueError, match="not now"):
        small.get("photo", "a", lambda: (_ for _ in ()).throw(ValueError("not now")))
    assert small.get("photo", "a", lambda: b"now") == b"now"


def test_the_view_from_above_is_drawn_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setitem(gallery.app.SMALL, "glb", lambda data: drawn.append(1) or b"\x89PNG")
    client = TestClient(create_app(shop.engine, shop.store), base_url="http://127.0.0.1")
    for asset_id in (shop.ids[0], shop.ids[0], shop.ids[1]):  # the two models are the same bytes
        assert client.get(f"/assets/{asset_id}/top.png").content == b"\x89PNG"
    assert drawn == [1]
