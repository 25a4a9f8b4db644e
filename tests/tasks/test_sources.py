"""SKUs from file and folder names; what is no photo is passed over."""

from __future__ import annotations

import os
from pathlib import Path

from storage.places import uri_path
from tasks.shots import Reading
from tasks.sources import BEING_WRITTEN, hash_file, scan_folder


def skus(folder: Path) -> list[str]:
    return [product.sku for product in scan_folder(folder).products]


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def test_a_file_is_a_product_and_a_folder_is_one(tmp_path: Path) -> None:
    write(tmp_path, "mug.jpg", "blue shirt.png", "shoe/back.jpg", "shoe/front.jpg", "README.md", "manifest.json")
    products = {product.sku: product for product in scan_folder(tmp_path).products}
    assert sorted(products) == ["blue shirt", "mug", "shoe"]
    assert [uri_path(photo.source_uri).name for photo in products["shoe"].photos] == ["front.jpg", "back.jpg"]


def test_two_files_of_one_stem_are_one_product_unless_grouping_is_off(tmp_path: Path) -> None:
    write(tmp_path, "teapot.png", "teapot.jpg")
    assert skus(tmp_path) == ["teapot"]
    assert [product.sku for product in scan_folder(tmp_path, Reading(group=False)).products] == [
        "teapot-jpg",
        "teapot-png",
    ]


def test_a_file_and_a_folder_of_one_name_do_not_collide(tmp_path: Path) -> None:
    write(tmp_path, "mug.jpg", "mug/front.jpg", "a/b/front.jpg", "a-b/front.jpg")
    found = skus(tmp_path)
    assert len(found) == len(set(found)) == 4


def test_awkward_names_stay_as_far_as_they_can_be_shown_and_survive_in_the_uri(tmp_path: Path) -> None:
    names = [
        "naïve mug ☕ ; rm -rf $(x) ..%2f.jpg",
        "a\nb.jpg",
        "..hidden.jpg.png",
        "\u202egnp.jpg",
        "x" * 240 + ".jpg",
    ]
    names = [name for name in names if not name.startswith(".")]
    write(tmp_path, *names)
    broken = os.fsencode(tmp_path) + b"/\xff\xfe.jpg"
    with open(broken, "wb") as stream:  # noqa: PTH123 - a Path cannot be made of these bytes on every system
        stream.write(b"x")
    products = scan_folder(tmp_path).products
    assert len(products) == len(names) + 1
    for product in products:
        assert product.sku.isprintable()
        assert 0 < len(product.sku) <= 200
        product.sku.encode("utf-8")
        assert product.name.isprintable()
        assert uri_path(product.photos[0].source_uri).is_file()


def test_links_pipes_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"x")
    folder = tmp_path / "photos"
    write(folder, "real.jpg", ".hidden.jpg", ".git/x.jpg")
    (folder / "link.jpg").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.jpg")
    assert skus(folder) == ["real"]


def test_a_file_that_grows_while_it_is_read_waits(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg")
    (product,) = scan_folder(tmp_path).products
    with (tmp_path / "a.jpg").open("ab") as stream:
        stream.write(b"more")
    assert hash_file(product.photos[0]) == BEING_WRITTEN
