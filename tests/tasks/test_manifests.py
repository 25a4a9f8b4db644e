"""Manifests as people have them: what spreadsheets save, paths as they are written, one bad row among good ones."""

from __future__ import annotations

import codecs
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from test_ingest import picture

from core.errors import InputError
from db.found import MISSING, FoundProduct
from storage.places import uri_path
from tasks.manifests import scan_manifest


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "fotos").mkdir()
    for number, name in enumerate(("toaster.png", "teddy.png", "tasse grün.png")):
        (tmp_path / "fotos" / name).write_bytes(picture(200 + number, 200))
    return tmp_path


def read(folder: Path, text: str | bytes | list[Any], name: str = "shop.csv") -> dict[str, FoundProduct]:
    data = text if isinstance(text, bytes) else (json.dumps(text) if isinstance(text, list) else text).encode()
    (folder / name).write_bytes(data)
    return {product.sku: product for product in scan_manifest(folder / name).products}


def names(product: FoundProduct) -> list[str]:
    return [uri_path(photo.source_uri).name for photo in product.photos]


EXCEL = (
    "sku;photo;name;height_cm\r\n"
    "0815;fotos/toaster.png;Toaster rot;19,5\r\n"
    "0816;fotos/tasse grün.png;Tasse grün;9,8\r\n"
)


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + EXCEL.encode(),
        EXCEL.encode(),
        EXCEL.encode("cp1252"),
        EXCEL.encode("utf-16"),
        EXCEL.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + EXCEL.encode("utf-16-be"),
        EXCEL.replace(";", "\t").encode("utf-16"),
        EXCEL.replace("\r\n", "\r").encode("mac_roman"),
        ("sep=;\r\n" + EXCEL).encode("cp1252"),
        EXCEL.replace(";", "|").encode(),
        EXCEL.replace("19,5", '"19,5"').replace("9,8", '"9,8"').replace(";", ",").encode(),
        EXCEL.replace("sku;photo;name;height_cm", "Artikelnummer ; BILD;Bezeichnung; Höhe (cm)").encode(),
        EXCEL.replace("height_cm", "Höhe mm").replace("19,5", "195").replace("9,8", "98").encode(),
        ("Produktliste 2026;;;\r\n;;;\r\n" + EXCEL).encode(),
    ],
)
def test_a_table_as_spreadsheets_save_it(shop: Path, data: bytes) -> None:
    found = read(shop, data)
    assert {sku: product.height_cm for sku, product in found.items()} == {"0815": 19.5, "0816": 9.8}
    assert (found["0816"].name, names(found["0816"])) == ("Tasse grün", ["tasse grün.png"])
    assert not any(product.problem for product in found.values())


def test_blank_rows_are_skipped_and_rows_are_counted_as_a_spreadsheet_does(shop: Path) -> None:
    text = "sku,photo,height_cm\r\n0815,fotos/toaster.png,19.5\r\n,,\r\n\r\n0817,fotos/teddy.png,tall\r\n,,\r\n"
    found = read(shop, codecs.BOM_UTF8 + text.encode())
    assert found["0815"].problem is None
    assert found["0817"].problem == "Row 5 of shop.csv, column 'height_cm': 'tall' is no length."


def test_unknown_columns_are_named_once_and_passed_over(shop: Path) -> None:
    (shop / "shop.csv").write_text(
        "sku,photo,price,ean,Category,weight_kg\n0815,fotos/toaster.png,39.90,4006381333931,Kitchen,2\n"
    )
    scan = scan_manifest(shop / "shop.csv")
    assert [product.sku for product in scan.products] == ["0815"]
    assert scan.notes == ("Columns of shop.csv that are passed over: 'price', 'ean', 'Category', 'weight_kg'.",)


@pytest.mark.parametrize("heading", ["heigth_cm", "hieght", "widht_cm", "Attributon", "licens", "elevaton"])
def test_a_close_misspelling_is_refused(shop: Path, heading: str) -> None:
    for text, name in (
        (f"sku,photo,{heading}\nA,fotos/teddy.png,3\n", "s.csv"),
        ([{"sku": "A", "photo": "x", heading: 1}], "s.json"),
    ):
        with pytest.raises(InputError, match=heading):
            read(shop, text, name)


@pytest.mark.parametrize(
    "row",
    ["#REF!;1.5;9.90;photo1.jpg", "ref;back;9.90;3", "A-1;2;3;4", "id;1;2;4711", "Code;Bild;x;1"],
)
def test_a_row_of_data_is_never_taken_for_the_headings(shop: Path, row: str) -> None:
    """The headings lack a photo, and some cells below them look like headings: ``9.90`` was read as photo 9."""
    with pytest.raises(InputError, match="no column for the photos"):
        read(shop, f"sku;name;height_cm;price\n{row}\nB-1;teddy;2;3\n")


def test_headings_may_stand_below_a_title(shop: Path) -> None:
    text = "Artikel\n2026;Katalog\n\nsku;photo;name\nA-1;fotos/teddy.png;Teddy\n"
    assert list(read(shop, text)) == ["A-1"]


@pytest.mark.parametrize(
    ("cell", "centimetres"),
    [
        ("9.8 cm", 9.8),
        ("98mm", 9.8),
        ("4 in", 10.16),
        ('4"', 10.16),
        ("0,3 m", 30.0),
        ("1 ft", 30.48),
        ("ca. 12", 12.0),
        ("1/2 in", 1.27),
        ('1 1/2"', 3.81),
        ("1-1/2 in", 3.81),
        ("2½ in", 6.35),
        ("5'11\"", 180.34),
        ("5' 11", 180.34),
        ("5 ft 11 in", 180.34),
        ("6' 1/2\"", 184.15),
        ("1'000.5", 1000.5),
        ("1 000,5 mm", 100.05),
        ("12 Zoll", 30.48),
        ("1.234,5", 1234.5),
        ("1,234.5", 1234.5),
        ("19.500", 19.5),
        ("", None),
        ("-", None),
    ],
)
def test_lengths_in_any_unit(shop: Path, cell: str, centimetres: float | None) -> None:
    quoted = cell.replace('"', '""')
    (product,) = read(shop, f'sku,photo,height\nA,fotos/teddy.png,"{quoted}"\n').values()
    assert (product.problem, product.height_cm) == (None, centimetres)


@pytest.mark.parametrize(
    "cell",
    [
        "abc",
        "-3",
        "0",
        "nan",
        "inf",
        "1e400",
        "12 parsecs",
        "1.2.3",
        "#REF!",
        "1,234",
        "9" * 400,
        "20 25",
        "20-25",
        "1/0 in",
        "1 2 3",
        "5'1000",
    ],
)
def test_what_is_no_length_quarantines_its_row_alone(shop: Path, cell: str) -> None:
    found = read(shop, f'sku,photo,height_cm\nA,fotos/teddy.png,"{cell}"\nB,fotos/toaster.png,3\n')
    assert "column 'height_cm'" in (found["A"].problem or "")
    assert found["B"].problem is None


def test_several_rows_and_columns_of_one_sku_are_one_product(shop: Path) -> None:
    text = "sku,photo,name,image 2,photo back\n0815,fotos/toaster.png,Toaster,,\nX,fotos/teddy.png,,,\n"
    text += "0815,fotos/teddy.png,,,fotos/tasse grün.png\n"
    found = read(shop, text)
    assert names(found["0815"]) == ["toaster.png", "teddy.png", "tasse grün.png"]
    assert (found["0815"].name, found["0815"].photos[2].role, found["0815"].photos[2].azimuth) == (
        "Toaster",
        "back",
        180.0,
    )
    assert [photo.used_for for photo in found["0815"].photos] == ["main", "geometry", "geometry"]


def test_rows_of_one_sku_that_contradict_each_other_are_a_problem(shop: Path) -> None:
    (product,) = read(shop, "sku,photo,height_cm\nA,fotos/teddy.png,3\nA,fotos/toaster.png,4\n").values()
    assert product.problem == "Rows 2 and 3 of shop.csv give height 3 cm and 4 cm."


@pytest.mark.parametrize(
    "path", [r"fotos\toaster.png", r".\fotos\toaster.png", "./fotos/toaster.png", '"fotos/toaster.png"']
)
def test_paths_as_windows_writes_them_are_found(shop: Path, path: str) -> None:
    (product,) = read(shop, [{"sku": "A", "photo": path}], "shop.json").values()
    assert (product.problem, names(product)) == (None, ["toaster.png"])


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_found_in_either_normal_form(shop: Path, form: Any) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    (shop / "fotos" / unicodedata.normalize(other, "blümchen.png")).write_bytes(picture(200, 200))
    (product,) = read(shop, "sku,photo\n0816,fotos/" + unicodedata.normalize(form, "blümchen.png") + "\n").values()
    assert (product.problem, len(product.photos)) == (None, 1)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("Fotos/Toaster.PNG", "fotos/toaster.png lies there: is it meant?"),
        ("fotos/teddy", "fotos/teddy.png lies there: is it meant?"),
        ("fotos/teddy.jpg", "fotos/teddy.png lies there: is it meant?"),
        ("https://cdn.example.com/toaster.jpg", "is a URL: download the photo"),
        ("../../etc/passwd", "lies outside the manifest's folder"),
        ("/etc/passwd", "lies outside the manifest's folder"),
        (r"C:\Users\shop\toaster.png", "lies outside the manifest's folder"),
        ("nowhere/x.png", "there is no photo nowhere/x.png (looked for "),
        ("x" * 5000, "there is no photo"),
    ],
)
def test_a_missing_photo_is_a_sentence_with_the_path_that_was_looked_for(shop: Path, path: str, said: str) -> None:
    found = read(shop, f"sku,photo\nA,{path}\nB,fotos/teddy.png\n")
    assert (found["A"].problem or "").startswith("Row 2 of shop.csv: ")
    assert said in (found["A"].problem or "")
    assert found["A"].photos[0].file_stamp == MISSING
    assert found["B"].problem is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ('=IMAGE("https://x.example/a.png")', "formula"),
        ("www.shop.example/a.png", "is a URL"),
        ("data:image/png,AAAA", "is a URL"),
    ],
)
def test_what_is_no_path_is_called_what_it_is(shop: Path, path: str, said: str) -> None:
    (product,) = read(shop, [{"sku": "A", "photo": [path]}], "shop.json").values()
    assert said in (product.problem or "")


def test_one_missing_photo_of_several_is_a_warning(shop: Path) -> None:
    (product,) = read(shop, "sku,photo\nA,fotos/gone.png;fotos/teddy.png\n").values()
    assert (product.problem, names(product)) == (None, ["teddy.png"])
    assert "fotos/gone.png" in product.warnings[0]


@pytest.mark.parametrize(
    "sku",
    [
        *("4.00638E+12", "1E+05", "4,00638E+12", "1.5e-3", "#N/A", "=A1+1"),
        *("4006381333931.0", "2026-03-12 00:00:00", "2026-03-12T00:00:00", "12.03.2026", "3/12/2026"),
    ],
)
def test_what_a_spreadsheet_made_of_a_sku_is_refused(shop: Path, sku: str) -> None:
    found = read(shop, f"sku;photo\n{sku};fotos/teddy.png\nB;fotos/toaster.png\n")
    assert found["B"].problem is None
    assert "column 'sku'" in (found["row 2"].problem or "")


@pytest.mark.parametrize(
    "sku", ["TS/100+BLK", "0815", "00012", "Größe 7", "a\\b", "12E10", "..", "µ-1", "4006381333931"]
)
def test_a_sku_stays_what_the_shop_calls_it(shop: Path, sku: str) -> None:
    (product,) = read(shop, [{"sku": sku, "photo": "fotos/teddy.png"}], "shop.json").values()
    assert product.sku == sku


def test_zeros_that_a_sheet_keeps_by_a_formula_or_an_apostrophe_stay(shop: Path) -> None:
    assert sorted(read(shop, 'sku,photo\n"=""0815""",fotos/teddy.png\n\'0816,fotos/toaster.png\n')) == ["0815", "0816"]


def test_numbers_of_a_json_file_are_texts(shop: Path) -> None:
    assert list(read(shop, [{"sku": 815, "photo": ["fotos/toaster.png"], "height_cm": 3}], "shop.json")) == ["815"]
    lines = '{"sku": 1, "photo": "fotos/teddy.png"}\n{"sku": 2.0, "photo": "fotos/toaster.png"}\n'
    assert list(read(shop, lines, "shop.jsonl")) == ["1", "2"]
    wrapped = json.dumps({"shop": "x", "products": [{"sku": "A", "photo": "fotos/teddy.png"}]})
    assert list(read(shop, wrapped, "shop.json")) == ["A"]


def test_any_of_three_lengths_is_the_size(shop: Path) -> None:
    found = read(shop, "sku,photo,height_cm,width_cm,depth in\nA,fotos/teddy.png,,30,\nB,fotos/toaster.png,,,10\n")
    assert (found["A"].width_cm, found["A"].height_cm, found["B"].depth_cm) == (30.0, None, 25.4)


def test_a_column_may_hold_the_unit(shop: Path) -> None:
    (product,) = read(shop, "sku,photo,height,unit\nA,fotos/teddy.png,195,mm\n").values()
    assert product.height_cm == 19.5


def test_role_and_pose_a_photo_priority_variant_licence_and_credit(shop: Path) -> None:
    text = "sku,photo,role,azimuth,elevation,variant_of,priority,licence,credit\n"
    text += "A,fotos/teddy.png;fotos/toaster.png,vorne;back,10;180,5;,B,hoch,CC0-1.0,Jo\n"
    (product,) = read(shop, text).values()
    first, second = product.photos
    assert (first.role, first.azimuth, first.elevation, second.role, second.azimuth) == (
        "front",
        10.0,
        5.0,
        "back",
        180.0,
    )
    assert (product.variant_of, product.priority, first.licence, first.attribution) == ("B", 10, "CC0-1.0", "Jo")
    assert (product.azimuth, product.elevation) == (10.0, 5.0)


def test_the_first_photo_is_built_unless_its_role_says_back(shop: Path) -> None:
    (product,) = read(shop, "sku,photo,role\nA,fotos/teddy.png;fotos/toaster.png,back;front\n").values()
    assert names(product) == ["toaster.png", "teddy.png"]
    (product,) = read(shop, "sku,photo\nA,fotos/teddy.png;fotos/toaster.png\n").values()
    assert names(product) == ["teddy.png", "toaster.png"]


def test_a_folder_stands_for_its_photos(shop: Path) -> None:
    (shop / "0815").mkdir()
    for name in ("front.png", "back.png", "notes.txt", "Thumbs.db"):
        (shop / "0815" / name).write_bytes(picture(200, 200))
    (product,) = read(shop, "sku,photo\n0815,0815\n").values()
    assert names(product) == ["front.png", "back.png"]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"photo": "fotos/teddy.png"}, "column 'sku': it is empty"),
        ({"sku": "", "photo": "fotos/teddy.png"}, "column 'sku': it is empty"),
        ({"sku": "A"}, "it names no photo"),
        ({"sku": "A", "photo": []}, "it names no photo"),
        ({"sku": "A", "photo": "fotos/teddy.png", "height_cm": float("nan")}, "column 'height_cm'"),
        ({"sku": "A", "photo": "fotos/teddy.png", "role": "upside"}, "'upside' is no role"),
        ({"sku": "A", "photo": "fotos/teddy.png", "azimuth": "north"}, "column 'azimuth'"),
        ({"sku": "A", "photo": "fotos/teddy.png", "elevation": 91}, "column 'elevation'"),
        ({"sku": "A", "photo": "fotos/teddy.png", "priority": "maybe"}, "column 'priority'"),
        ({"sku": {"x": 1}, "photo": "fotos/teddy.png"}, "column 'sku'"),
        ({"sku": "A", "photo": "fotos/teddy.png", "name": ["x"]}, "column 'name'"),
        ({"sku": "A", "photo": "a\0.png"}, "NUL"),
        ("A", "it is no object"),
    ],
)
def test_a_bad_entry_is_named_and_the_others_are_read(shop: Path, row: Any, fault: str) -> None:
    found = read(shop, [{"sku": "B", "photo": "fotos/toaster.png"}, row], "shop.json")
    assert found.pop("B").problem is None
    (bad,) = found.values()
    assert (bad.problem or "").startswith("Entry 2 of shop.json, ")
    assert fault in (bad.problem or "")


def test_an_unclosed_quotation_mark_spoils_its_own_row_alone(shop: Path) -> None:
    text = 'sku,photo,name\nA,fotos/teddy.png,"Teddy\nB,fotos/toaster.png,Toaster 5" wide\n'
    text += 'C,fotos/toaster.png,"Two\nlines"\n'
    found = read(shop, text)
    assert "a quotation mark" in (found["A"].problem or "")
    assert (found["B"].problem, found["B"].name) == (None, 'Toaster 5" wide')
    assert (found["C"].problem, found["C"].name) == (None, "Two lines")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("shop.json", b"\xff\xfe\x00nonsense\x00"),
        ("shop.csv", b"\xff\xfe\x00nonsense\x00"),
        ("shop.csv", b""),
        ("shop.csv", b"just some words\nand more of them\n"),
        ("shop.csv", b"sku,name\nA,B\n"),
        ("shop.csv", b"photo,name\na.png,B\n"),
        ("shop.json", b'{"a": 1}'),
        ("shop.json", b"[" * 100_000),
        ("shop.json", b'[{"sku": "A", "photo": "a.png"}'),
        ("shop.xlsx", b"PK\x03\x04 no archive"),
        ("shop.xls", b"\xd0\xcf\x11\xe0old"),
        ("shop.pdf", b"%PDF-1.7"),
        ("shop.csv", bytes(range(256)) * 40),
    ],
)
def test_what_is_no_manifest_is_refused_in_a_sentence(shop: Path, name: str, data: bytes) -> None:
    with pytest.raises(InputError, match=name):
        read(shop, data, name)


def sheet(path: Path, rows: list[list[Any]], **formats: str) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["Notes"])
    page = book.create_sheet("Products")
    for row in rows:
        page.append(row)
    for cell, number_format in formats.items():
        page[cell].number_format = number_format
    book.save(path)


def test_a_spreadsheet_is_read_as_it_is(shop: Path) -> None:
    rows = [
        ["Artikelnummer", "Bild", "Höhe (mm)", "Priorität"],
        [815, "fotos/toaster.png", 195, 2],
        [],
        ["TS/1", "fotos\\teddy.png", "9,8 cm", None],
    ]
    sheet(
        shop / "shop.xlsx",
        [*rows, [4006381333931, "fotos/tasse grün.png", None, None], [12, "fotos/x.png", None, None]],
        A2="0000",
    )
    found = {product.sku: product for product in scan_manifest(shop / "shop.xlsx").products}
    assert sorted(found) == ["0815", "12", "4006381333931", "TS/1"]
    assert (found["0815"].height_cm, found["0815"].priority, found["TS/1"].height_cm) == (19.5, 2, 9.8)
    assert (found["12"].problem or "").startswith("Row 6 of shop.xlsx: there is no photo fotos/x.png")
