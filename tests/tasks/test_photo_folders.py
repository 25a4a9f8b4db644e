"""Folders of photos as shops have them: shots, SKUs full of digits, what a file server leaves, photos beside tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from test_ingest import picture, put, rows

from core.errors import InputError
from db.engine import reading
from db.found import FoundProduct
from db.tables import Photo, Product
from storage.store import Entry
from tasks.factory import Factory, open_factory
from tasks.ingest import ingest_source
from tasks.remote import scan_listing, scan_prefix
from tasks.settings import Settings
from tasks.shots import Reading, Scan
from tasks.sources import scan_folder


@pytest.fixture
def factory(tmp_path: Path) -> Any:
    opened = open_factory(Settings(home=tmp_path / "home"))
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def lay(folder: Path) -> Any:
    """A function that lays pictures, each of another width, and other bytes where they are given."""

    def write(*names: str, data: bytes | None = None) -> None:
        for number, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(200 + 10 * number, 200) if data is None else data)

    return write


def stored(factory: Factory) -> dict[str, dict[str, tuple[str | None, str | None]]]:
    """SKU to file name to role and use."""
    query = select(Product.sku, Photo.source_uri, Photo.role, Photo.used_for).join(Photo).where(Photo.current)
    found: dict[str, dict[str, tuple[str | None, str | None]]] = {}
    with reading(factory.engine) as session:
        for sku, uri, role, use in session.execute(query):
            found.setdefault(sku, {})[uri.rsplit("/", 1)[-1]] = (role, use)
    return found


def product(factory: Factory, sku: str) -> Product:
    with reading(factory.engine) as session:
        return session.scalars(select(Product).where(Product.sku == sku)).one()


def test_a_flat_folder_of_shots(factory: Factory, folder: Path) -> None:
    lay(folder)("4711-GN_1.png", "4711-GN_2.png", "4711-GN_3.png", "4712-WH_back.png", "4712-WH_front.png")
    lay(folder)("4712-WH_side.png")
    _, changes = ingest_source(factory, str(folder))
    assert changes.new == ["4711-GN", "4712-WH"]
    assert stored(factory)["4712-WH"] == {
        "4712-WH_back.png": ("back", "geometry"),
        "4712-WH_front.png": ("front", "main"),
        "4712-WH_side.png": ("side", "geometry"),
    }
    assert changes.grouped[0] == "6 photos show 2 products, 2 with several photos:"
    assert any("4712-WH_front.png" in line for line in changes.grouped)


def test_grouping_can_be_switched_off(factory: Factory, folder: Path) -> None:
    lay(folder)("4711-GN_1.png", "4711-GN_2.png")
    _, changes = ingest_source(factory, str(folder), group=False)
    assert (changes.new, changes.grouped) == (["4711-GN_1", "4711-GN_2"], [])


def test_a_skus_own_digits_are_no_shot_number(factory: Factory, folder: Path) -> None:
    for sku in ("100451", "100452"):
        lay(folder / sku)(f"{sku}_front.png", f"{sku}_back.png")
    ingest_source(factory, str(folder))
    assert {name for name, (_, _, chosen) in rows(factory).items() if chosen} == {
        "100451_front.png",
        "100452_front.png",
    }


def test_what_a_file_server_leaves_is_passed_over(factory: Factory, folder: Path) -> None:
    lay(folder)("cap.png", "TEA-22/front.png", "#recycle/old-cap.png", "$RECYCLE.BIN/S-1-5-21/$RABC123.png")
    lay(folder)("@eaDir/cap.png/SYNOPHOTO_THUMB_M.png", "TEA-22/@eaDir/front.png/SYNOPHOTO_THUMB_XL.png")
    lay(folder)("lost+found/x.png", ".@__thumb/cap.png", "@Recycle/y.png", "System Volume Information/z.png")
    lay(folder)("__MACOSX/._cap.png", ".DS_Store", "Thumbs.db", "__MACOSX/TEA-22/._front.png", data=b"x")
    _, changes = ingest_source(factory, str(folder))
    assert (changes.new, changes.notes) == (["TEA-22", "cap"], [])


@pytest.mark.parametrize("master", ["TEA-22_front.psd", "TEA-22_front.cr2", "TEA-22_front.svg"])
def test_a_master_that_is_not_read_is_a_warning_beside_a_photo(factory: Factory, folder: Path, master: str) -> None:
    lay(folder / "TEA-22")("TEA-22_back.png", "TEA-22_front.png")
    lay(folder / "TEA-22")(master, data=b"8BPS" * 100_000)
    ingest_source(factory, str(folder))
    assert stored(factory)["TEA-22"]["TEA-22_front.png"] == ("front", "main")
    assert stored(factory)["TEA-22"][master] == ("front", "unreadable")
    (warning,) = product(factory, "TEA-22").warnings or []
    assert warning.startswith(master)


@pytest.mark.parametrize("broken", [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n"])
def test_an_empty_or_broken_photo_is_a_warning_beside_another_one(
    factory: Factory, folder: Path, broken: bytes
) -> None:
    lay(folder / "TEA-22")("back.png")
    lay(folder / "TEA-22")("front.png", data=broken)
    ingest_source(factory, str(folder))
    assert stored(factory)["TEA-22"] == {"back.png": ("back", "main"), "front.png": ("front", "unreadable")}
    (warning,) = product(factory, "TEA-22").warnings or []
    assert "front.png" in warning
    lay(folder / "TEA-22")("front.png")
    ingest_source(factory, str(folder))
    assert stored(factory)["TEA-22"]["front.png"] == ("front", "main")
    assert product(factory, "TEA-22").warnings is None


def test_the_same_bytes_are_one_photo(factory: Factory, folder: Path) -> None:
    lay(folder / "TEA-22")("front.png", "side.png")
    (folder / "TEA-22" / "angle.png").write_bytes((folder / "TEA-22" / "front.png").read_bytes())
    ingest_source(factory, str(folder))
    assert stored(factory)["TEA-22"]["angle.png"] == ("three-quarter", "copy")


def test_placeholders_are_named_and_an_empty_source_is_an_error(factory: Factory, folder: Path) -> None:
    lay(folder)(".cap.jpg.icloud", ".tea.jpg.icloud", data=b"bplist00")
    with pytest.raises(InputError, match=r"no photos in .*2 iCloud placeholders"):
        ingest_source(factory, str(folder))
    with reading(factory.engine) as session:
        assert session.scalars(select(Product)).all() == []


def test_a_table_beside_the_photos_is_named(factory: Factory, folder: Path) -> None:
    lay(folder)("IMG_0001.png")
    lay(folder)("products.csv", data=b"sku,photo\nA,IMG_0001.png\n")
    _, changes = ingest_source(factory, str(folder))
    assert changes.new == ["IMG_0001"]
    (note,) = changes.notes
    assert note.startswith("products.csv lies beside the photos: pass it instead")
    (folder / "IMG_0001.png").unlink()
    with pytest.raises(InputError, match=r"products\.csv"):
        ingest_source(factory, str(folder))


def test_one_photo_is_a_catalogue_of_one_product(factory: Factory, folder: Path) -> None:
    lay(folder)("TS 100.png", "other.png")
    _, changes = ingest_source(factory, str(folder / "TS 100.png"))
    assert changes.new == ["TS 100"]


def test_what_names_say_of_the_pose_is_recorded(factory: Factory, folder: Path) -> None:
    lay(folder)("00012345678905_A2N0.png", "00012345678905_A1N1.png")
    ingest_source(factory, str(folder))
    found = product(factory, "00012345678905")
    assert (found.azimuth, found.elevation) == (-90.0, 0.0)
    with reading(factory.engine) as session:
        photos = session.scalars(select(Photo).order_by(Photo.source_uri)).all()
    assert [(p.azimuth, p.elevation, p.used_for) for p in photos] == [(0.0, 0.0, "record"), (-90.0, 0.0, "main")]


def test_the_last_photo_left_of_a_product_stays_its_photo(factory: Factory, folder: Path) -> None:
    lay(folder)("TEA_front.png", "TEA_back.png", "hat.png", "7_1.png", "7_2.png")
    ingest_source(factory, str(folder))
    for name in ("TEA_front.png", "7_2.png"):
        (folder / name).unlink()
    _, changes = ingest_source(factory, str(folder))
    assert (changes.new, changes.removed) == ([], [])
    assert stored(factory)["TEA"] == {"TEA_back.png": ("back", "main")}


NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8)
PLAIN = [
    "front",
    "back",
    "mug_1",
    "mug_2",
    "Mug_1",
    "mug (1)",
    "mug",
    "MUG",
    "Copy of mug",
    "detail",
    "360",
    "a-b",
    "a",
]
ODD = [
    ".hidden",
    "@eaDir",
    "__MACOSX",
    "\u202egnp",
    "new\nline",
    "..x",
    "a\\b",
    "n\u0303",
    "\u00f1",
    "00012345678905_A1C1",
]
KNOWN = st.sampled_from(PLAIN + ODD)
PATHS = st.lists(
    st.tuples(
        st.lists(NAME | KNOWN, min_size=1, max_size=3), st.sampled_from([".jpg", ".PNG", ".psd", ".txt", ".zip"])
    ),
    max_size=10,
).map(lambda found: ["/".join(parts) + ending for parts, ending in found])


@given(PATHS, st.booleans())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_and_a_prefix_show_the_same_products(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str], group: bool
) -> None:
    folder = tmp_path_factory.mktemp("shop") / "photos"
    folder.mkdir()
    kept = []
    for path in paths:
        target = folder / path
        if any(part in (".", "..") for part in path.split("/")) or target.exists():
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.encode("utf-8"))
        except OSError:  # a file where a folder is needed: no file system holds both
            continue
        kept.append(path)
    entries = [Entry(f"shop/{path}", len(path.encode()), path, 0.0) for path in kept]
    prefix = scan_listing(entries, "s3://bucket/", "shop/", "photos", Reading(group))
    assert brief(scan_folder(folder, Reading(group)), f"file://{folder}/") == brief(prefix, "s3://bucket/shop/")


def brief(scan: Scan, base: str) -> list[Any]:
    """Products without what folders and stores say in ways of their own."""
    from urllib.parse import unquote

    def photos(product: FoundProduct) -> list[Any]:
        return [
            (unquote(p.source_uri) if base.startswith("file") else p.source_uri, p.role, p.azimuth, p.used_for)
            for p in product.photos
        ]

    return [
        scan.notes,
        [
            (p.sku, p.name, p.warnings, [(uri.removeprefix(base), *rest) for uri, *rest in photos(p)])
            for p in scan.products
        ],
    ]


@pytest.mark.server
def test_a_prefix_of_a_real_server_shows_what_the_folder_shows(seaweed: str, tmp_path: Path) -> None:
    import time

    from s3_server import ACCESS, SECRET, ready

    from storage.s3 import open_s3

    factory = open_factory(
        Settings(home=tmp_path / "home", s3_endpoint=seaweed, s3_access_key=ACCESS, s3_secret_key=SECRET)
    )
    names = [
        "mug.jpg",
        "mug.png",
        "cup_1.jpg",
        "cup_2.jpg",
        "mug/front.jpg",
        "a/b/x.jpg",
        "a-b/x.jpg",
        "Tasse grün.jpg",
    ]
    names += ["@eaDir/mug.jpg", "shoe_back.jpg", "shoe_front.jpg", "TS+100.jpg", "x%2Fy.jpg"]
    store, shop = ready(open_s3("contract", "", seaweed, ACCESS, SECRET)), f"shop-{time.time_ns()}"
    for name in names:
        put(store, f"{shop}/{name}", name.encode())
    folder = tmp_path / shop
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    prefix = scan_prefix(factory, f"s3://contract/{shop}")
    assert brief(scan_folder(folder), f"file://{folder}/") == brief(prefix, f"s3://contract/{shop}/")
    assert len(prefix.products) == 9
    factory.close()


def test_a_name_that_is_not_utf8_is_a_product_too(factory: Factory, folder: Path) -> None:
    folder.mkdir()
    with open(os.fsencode(folder) + b"/caf\xe9_front.png", "wb") as stream:  # noqa: PTH123 - no Path holds these bytes
        stream.write(picture(200, 200))
    _, changes = ingest_source(factory, str(folder))
    assert changes.new == ["caf\\udce9_front"]
