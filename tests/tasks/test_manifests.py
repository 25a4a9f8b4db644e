"""Catalogues as CSV and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import InputError
from storage.places import uri_path
from tasks.manifests import read_manifest
from tasks.sources import hash_file


def test_a_csv_says_what_a_file_name_cannot(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "b.jpg").write_bytes(b"b")
    text = "sku,photo,name,height_cm,licence,elevation\nA-1,a.jpg;b.jpg,A mug,9.5,CC0-1.0,12\nB-2,missing.jpg,,,,\n"
    (tmp_path / "shop.csv").write_text(text)
    first, second = read_manifest(tmp_path / "shop.csv")
    assert (first.sku, first.name, first.height_cm, first.licence, first.elevation) == (
        "A-1",
        "A mug",
        9.5,
        "CC0-1.0",
        12.0,
    )
    assert [uri_path(photo.source_uri).name for photo in first.photos] == ["a.jpg", "b.jpg"]
    assert second.photos[0].fingerprint == "missing"
    assert hash_file(second.photos[0]) is not None, "it becomes a quarantined asset, not a crash"


def test_json_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "shop.json").write_text(json.dumps([{"sku": "A", "photo": ["a.jpg"], "height_cm": 3}]))
    (product,) = read_manifest(tmp_path / "shop.json")
    assert (product.sku, product.height_cm) == ("A", 3.0)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"sku": "A", "photo": "../../etc/passwd"}, "outside the manifest's folder"),
        ({"sku": "A", "photo": "/etc/passwd"}, "outside the manifest's folder"),
        ({"sku": "", "photo": "a.jpg"}, "sku"),
        ({"sku": "A", "photo": []}, "photo"),
        ({"sku": "A", "photo": "a.jpg", "height_cm": -1}, "height_cm"),
        ({"sku": "A", "photo": "a.jpg", "height_cm": float("nan")}, "height_cm"),
        ({"sku": "A", "photo": "a.jpg", "heigth_cm": 1}, "heigth_cm"),
    ],
)
def test_a_wrong_row_is_refused_with_its_number_and_field(
    tmp_path: Path, row: dict[str, object], sentence: str
) -> None:
    (tmp_path / "shop.json").write_text(json.dumps([row]))
    with pytest.raises(InputError, match=sentence):
        read_manifest(tmp_path / "shop.json")


def test_a_sku_that_comes_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("sku,photo\nA,a.jpg\nA,b.jpg\n")
    with pytest.raises(InputError, match="a second time"):
        read_manifest(tmp_path / "shop.csv")


@pytest.mark.parametrize("name", ["shop.json", "shop.csv"])
def test_what_is_no_manifest_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00nonsense\x00")
    with pytest.raises(InputError, match=name):
        read_manifest(tmp_path / name)
