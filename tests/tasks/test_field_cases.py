"""Catalogues collected after public bug reports: each file ends as its README says. Small ones of each kind are made in
the tests of manifests, folders, cutouts and photos; these are the collected files themselves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError
from core.recipes import load_recipe
from core.records import to_json
from tasks.factory import Factory, open_factory
from tasks.forecast import forecast
from tasks.settings import Settings

pytestmark = pytest.mark.shared


@pytest.fixture
def factory(tmp_path: Path) -> Any:
    opened = open_factory(Settings(home=tmp_path / "home"))
    yield opened
    opened.close()


Planned = dict[str, dict[str, Any]]


def planned(factory: Factory, source: Path) -> tuple[Planned, list[str]]:
    """What `meshmill plan` says: SKU to product, and notes."""
    document = to_json(forecast(factory, str(source), load_recipe("starter", [])).report())
    return {row["sku"]: row for row in document["products"]}, document["notes"]


def built(products: Planned) -> dict[str, list[str]]:
    """SKU to the names of its photos, the one that it is built from first."""
    return {
        sku: [photo["file"].rsplit("/", 1)[-1] for photo in row["photos"]]
        for sku, row in products.items()
        if row["action"] == "build"
    }


def refused(products: Planned) -> dict[str, str]:
    return {sku: row["reason"] for sku, row in products.items() if row["action"] == "refuse"}


def heights(source: Path) -> dict[str, tuple[float | None, float | None]]:
    from tasks.manifests import scan_manifest

    return {product.sku: (product.height_cm, product.width_cm) for product in scan_manifest(source).products}


def _excel(products: Planned, notes: list[str], source: Path) -> None:
    assert built(products) == {"0815": ["toaster.jpg"], "0816": ["tasse grün.png"]}
    assert heights(source) == {"0815": (19.5, None), "0816": (9.8, None)}


def _blank_rows(products: Planned, notes: list[str], source: Path) -> None:
    assert sorted(products) == sorted(built(products)) == ["0815", "0817"]


def _extra_columns(products: Planned, notes: list[str], source: Path) -> None:
    assert list(built(products)) == ["0815"]
    assert len(notes) == 1
    assert all(name in notes[0] for name in ("price", "ean", "category"))


def _one_bad_row(products: Planned, notes: list[str], source: Path) -> None:
    assert heights(source) == {"0815": (19.5, None), "0816": (9.8, None), "0817": (30.0, None)}, "9.8 cm is understood"


def _row_per_image(products: Planned, notes: list[str], source: Path) -> None:
    assert built(products) == {"0815": ["toaster.jpg", "teddy.jpg"]}


def _windows_paths(products: Planned, notes: list[str], source: Path) -> None:
    assert built(products) == {"0815": ["toaster.jpg"], "0817": ["teddy.jpg"]}


def _decomposed(products: Planned, notes: list[str], source: Path) -> None:
    assert list(built(products)) == ["0816"]


def _scientific(products: Planned, notes: list[str], source: Path) -> None:
    assert built(products) == {}
    assert all("made of a long number" in reason for reason in refused(products).values())


def _slashes(products: Planned, notes: list[str], source: Path) -> None:
    assert sorted(built(products)) == ["TS/100+BLK", "W-ONLY"]
    assert heights(source)["W-ONLY"] == (None, 30.0)
    assert products["W-ONLY"]["size_known"]


def _numbers(products: Planned, notes: list[str], source: Path) -> None:
    assert list(built(products)) == ["815"]


def _all_missing(products: Planned, notes: list[str], source: Path) -> None:
    assert sorted(built(products)) == ["N1", "W1"], "backslashes and normal forms are found"
    reasons = refused(products)
    assert "Fotos/Toaster.JPG" in reasons["C1"]
    assert "fotos/toaster.jpg lies there" in reasons["C1"]
    assert "fotos/teddy.jpg lies there" in reasons["E1"]
    assert "is a URL" in reasons["U1"]
    assert all(re.search(r"Row \d of v_all_missing\.csv", reason) for reason in reasons.values())


MANIFESTS: dict[str, Callable[[Planned, list[str], Path], None]] = {
    "a_excel_de.csv": _excel,
    "c_blank_rows.csv": _blank_rows,
    "d_extra_columns.csv": _extra_columns,
    "f_windows_paths.csv": _windows_paths,
    "g_one_bad_row.csv": _one_bad_row,
    "h_scientific.csv": _scientific,
    "i_row_per_image.csv": _row_per_image,
    "k_slash_skus.csv": _slashes,
    "l_numbers.json": _numbers,
    "n_nfc.csv": _decomposed,
    "v_all_missing.csv": _all_missing,
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_ends_as_its_readme_says(shared_dir: Path, factory: Factory, name: str) -> None:
    source = shared_dir / "field-cases" / "manifests" / name
    MANIFESTS[name](*planned(factory, source), source)


def test_a_bad_cell_leaves_the_other_rows_alone(shared_dir: Path, factory: Factory, tmp_path: Path) -> None:
    copy = tmp_path / "manifests"
    shutil.copytree(shared_dir / "field-cases" / "manifests", copy)
    table = copy / "g_one_bad_row.csv"
    table.write_text(table.read_text("utf-8").replace("9.8 cm", "tall"), "utf-8")
    products, _ = planned(factory, table)
    assert sorted(built(products)) == ["0815", "0817"]
    assert refused(products) == {"0816": "Row 3 of g_one_bad_row.csv, column 'height_cm': 'tall' is no length."}


FOLDERS: dict[str, dict[str, list[str]]] = {
    "digit": {
        "100451": ["100451_front.jpg", "100451_back.jpg"],
        "100452": ["100452_front.jpg", "100452_back.jpg"],
    },
    "flat-shots": {
        "4711-GN": ["4711-GN_1.jpg", "4711-GN_2.jpg", "4711-GN_3.jpg"],
        "4712-WH": ["4712-WH_front.jpg", "4712-WH_side.jpg", "4712-WH_back.jpg"],
    },
    "nas": {"TEA-22": ["front.jpg"], "cap": ["cap.jpg"]},
    "psd": {"TEA-22": ["TEA-22_front.jpg", "TEA-22_back.jpg", "TEA-22_front.psd"]},
    "withcsv": {"IMG_0001": ["IMG_0001.jpg"]},
    "zero": {"TEA-22": ["back.jpg", "front.jpg"]},
}
WARNED = {"psd": "TEA-22_front.psd is of a kind", "zero": "front.jpg is empty"}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_ends_as_its_readme_says(shared_dir: Path, factory: Factory, name: str) -> None:
    products, notes = planned(factory, shared_dir / "field-cases" / "folders" / name)
    assert built(products) == FOLDERS[name]
    warnings = [warning for row in products.values() for warning in row["warnings"]]
    assert [warning[: len(WARNED[name])] for warning in warnings] == [WARNED[name]] if name in WARNED else not warnings
    if name == "withcsv":
        assert notes[0].startswith("products.csv lies beside the photos: pass it instead")


def test_placeholders_are_named(shared_dir: Path, factory: Factory) -> None:
    with pytest.raises(InputError, match="2 iCloud placeholders"):
        planned(factory, shared_dir / "field-cases" / "folders" / "icloud")


def test_every_collected_file_has_its_test(shared_dir: Path) -> None:
    cases = shared_dir / "field-cases"
    tables = {path.name for path in (cases / "manifests").iterdir() if path.is_file()}
    folders = {path.name for path in (cases / "folders").iterdir()}
    assert tables == set(MANIFESTS)
    assert folders == {*FOLDERS, "icloud"}
