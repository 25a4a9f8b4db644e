"""Tables as shop systems and people make them: Shopify's and Amazon's exports, merged cells, totals, damage."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from test_ingest import picture

from db.found import FoundProduct
from storage.places import uri_path
from tasks.manifests import scan_manifest
from tasks.shots import Scan

PHOTOS = ("a.png", "a-2.png", "a-3.png", "b.png", "b-2.png")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for number, name in enumerate(PHOTOS):
        (tmp_path / name).write_bytes(picture(200 + number, 200))
    return tmp_path


def read(folder: Path, text: str, name: str = "shop.csv") -> dict[str, FoundProduct]:
    (folder / name).write_text(text)
    return {product.sku: product for product in scan_manifest(folder / name).products}


def workbook(
    folder: Path, rows: list[list[Any]], merged: tuple[str, ...] = (), edit: Callable[[Any], None] | None = None
) -> Scan:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cells in merged:
        book.active.merge_cells(cells)
    if edit is not None:
        edit(book)
    book.save(folder / "shop.xlsx")
    return scan_manifest(folder / "shop.xlsx")


def shown(products: dict[str, FoundProduct] | Scan) -> dict[str, list[str]]:
    found = products.products if isinstance(products, Scan) else products.values()
    return {p.sku: [uri_path(photo.source_uri).name for photo in p.photos] for p in found if p.problem is None}


HANDLES = "Handle,Title,Variant SKU,Image Src,Image Position,Variant Image\n"


@pytest.mark.parametrize(
    ("rows", "photos"),
    [
        ("mug,Mug,M-1,a.png,1,\nvase,Vase,V-1,b.png,1,\nmug,,,a-2.png,2,\nmug,,,a-3.png,3,\nvase,,,b-2.png,2,\n",
         {"M-1": ["a.png", "a-2.png", "a-3.png"], "V-1": ["b.png", "b-2.png"]}),
        ("mug,Mug,M-R,a.png,1,a.png\nmug,,M-B,a-2.png,2,b.png\nmug,,,a-3.png,3,\nmug,,,b.png,4,\n",
         {"M-R": ["a.png"], "M-B": ["b.png"]}),
        ("mug,Mug,M-S,a.png,1,\nmug,,M-L,a-2.png,2,\n", {"M-S": ["a.png", "a-2.png"], "M-L": ["a.png", "a-2.png"]}),
        ("mug,Mug,,a.png,1,\nmug,,,a-2.png,2,\n", {"mug": ["a.png", "a-2.png"]}),
    ],
    ids=["rows without a SKU", "each colour has its photo", "two sizes look alike", "a handle without SKUs"],
)  # fmt: skip
def test_rows_of_a_handle_are_one_product(shop: Path, rows: str, photos: dict[str, list[str]]) -> None:
    found = read(shop, HANDLES + rows)
    assert shown(found) == photos
    assert {product.name for product in found.values()} <= {"Mug", "Vase"}
    assert not any(product.problem for product in found.values())


def test_a_handle_without_any_photo_says_so(shop: Path) -> None:
    found = read(shop, HANDLES + "mug,Mug,M-1,,,\n")
    assert found["M-1"].problem == "Row 2 of shop.csv names no photo."


AMAZON = (
    "item_sku\titem_name\tmain_image_url\tother_image_url1\tother_image_url2\titem_height\titem_height_unit_of_measure"
)
READABLE = "Seller SKU\tProduct Name\tMain Image URL\tOther Image URL1\tOther Image URL2\tHeight\tHeight Unit"
VERSION = "TemplateType=fptcustom\tVersion=2026\tsettings=x\t\t\t\t"
RULES = "Required\tRequired\tRequired\tOptional\tOptional\tOptional\tOptional"


@pytest.mark.parametrize(
    "headings", [[AMAZON], [READABLE, AMAZON], [VERSION, READABLE, AMAZON], [VERSION, AMAZON, RULES]]
)
def test_flat_files_with_several_rows_of_headings(shop: Path, headings: list[str]) -> None:
    rows = ["M-1\tMug\ta.png\ta-2.png\ta-3.png\t4\tIN", "V-1\tVase\tb.png\tb-2.png\t\t12\tCM"]
    found = read(shop, "\n".join([*headings, *rows]) + "\n", "shop.txt")
    assert shown(found) == {"M-1": ["a.png", "a-2.png", "a-3.png"], "V-1": ["b.png", "b-2.png"]}
    assert [product.height_cm for product in found.values()] == [10.16, 12.0]


@pytest.mark.parametrize(
    "headings",
    [
        "image_1,image_2,image_3",
        "main_product_image_locator,other_product_image_locator_1,other_product_image_locator_2",
        "image_link,additional_image_link,additional_image_link",
        "Bild-URL 1,Bild-URL 2,Bild-URL 3",
        "Main Image,Image2,Image3",
        "photo,photo,photo",
    ],
)
def test_further_columns_of_photos(shop: Path, headings: str) -> None:
    assert shown(read(shop, f"sku,{headings}\nM,a.png,a-2.png,a-3.png\n")) == {"M": ["a.png", "a-2.png", "a-3.png"]}


def test_paths_below_a_folder_of_media_and_photos_of_a_shop_that_were_downloaded(shop: Path) -> None:
    found = read(shop, "sku,photo\nM,/a.png\nV,https://cdn.shop/files/b.png?v=17\nW,https://cdn.shop/files/c.png\n")
    assert shown(found) == {"M": ["a.png"], "V": ["b.png"]}
    assert "is a URL" in (found["W"].problem or "")


def test_what_only_sounds_like_a_photo_is_passed_over(shop: Path) -> None:
    (shop / "shop.csv").write_text("sku,photo,Image Alt Text,image_height_px,photo credit text\nM,a.png,b,c,d\n")
    scan = scan_manifest(shop / "shop.csv")
    assert shown(scan) == {"M": ["a.png"]}
    assert "'Image Alt Text', 'image_height_px', 'photo credit text'" in scan.notes[0]


def test_children_of_a_parent_that_is_not_sold_share_the_first_ones_shape(shop: Path) -> None:
    found = read(
        shop,
        "item_sku,main_image_url,parent_child,parent_sku\nMUG,,parent,\nMUG-R,a.png,child,MUG\nMUG-B,b.png,child,MUG\n",
    )
    assert {sku: product.variant_of for sku, product in found.items()} == {"MUG-B": None, "MUG-R": "MUG-B"}


@pytest.mark.parametrize(
    "aside",
    ["sku,photo,height", "string,string,number", "Total,,7", "Summe: 2 Artikel,,", ",Gesamt,7", "Gesamt;2;7", ",,"],
)
def test_rows_that_are_no_products(shop: Path, aside: str) -> None:
    text = f"sku,photo,height\nM,a.png,3\n{aside}\nV,b.png,4\n".replace(",", ";" if ";" in aside else ",")
    found = read(shop, text)
    assert {sku: p.height_cm for sku, p in found.items() if not p.problem} == {"M": 3, "V": 4}
    assert len(found) == 2 + (aside.startswith("string"))  # what columns hold stands below the headings alone


def test_a_total_is_named_and_a_product_with_a_photo_is_none(shop: Path) -> None:
    (shop / "shop.csv").write_text("sku,photo\nTotal,a.png\nV,b.png\nTotal 2,2\n")
    scan = scan_manifest(shop / "shop.csv")
    assert shown(scan) == {"Total": ["a.png"], "V": ["b.png"]}
    assert scan.notes == ("Rows of shop.csv that sum up others are passed over: 4.",)


def test_units_in_a_row_below_the_headings(shop: Path) -> None:
    found = read(shop, "sku,photo,height,width\n,,mm,in\nM,a.png,98,4\n")
    assert (found["M"].height_cm, found["M"].width_cm) == (9.8, 10.16)


def test_two_columns_for_one_length_must_agree(shop: Path) -> None:
    found = read(shop, "sku,photo,height_cm,height_in\nM,a.png,10,3.94\nV,b.png,10,10\nW,a.png,,4\n")
    assert (found["M"].height_cm, found["M"].problem) == (10, None)
    assert found["V"].problem == "Row 3 of shop.csv, columns 'height_cm' and 'height_in' disagree: remove one."
    assert found["W"].height_cm == 10.16


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("4.00638E+12", "what a spreadsheet made of a long number"),
        ("1,23E+12", "what a spreadsheet made of a long number"),
        ("12345678905", "lost its leading zeros (012345678905?)"),
        ("4006380000000", "lost its last digits"),
        ("4006381333931", None),
        ("012345678905", None),
        ("12345678904", None),
    ],
)
def test_damaged_trade_item_numbers_are_named(shop: Path, code: str, said: str | None) -> None:
    (product,) = read(shop, f"EAN;image\n{code};a.png\n").values()
    assert (said in (product.problem or "")) if said else (product.problem is None and product.sku == code)


@pytest.mark.parametrize("text", ["1-Feb", "Mar-24", "02. Mrz", "Jan 24", "01.02.24", "3/4/26", "01.02.2026"])
def test_dates_that_a_spreadsheet_made_of_skus_are_named(shop: Path, text: str) -> None:
    (product,) = read(shop, f"sku;photo\n{text};a.png\n").values()
    assert "is a date that a spreadsheet made" in (product.problem or "")


@pytest.mark.parametrize("text", ["MAR-24", "10-12", "2026-02-01", "May-Chair", "1-FEB", "A Jan 24"])
def test_skus_that_look_like_dates_stay(shop: Path, text: str) -> None:
    assert shown(read(shop, f"sku;photo\n{text};a.png\n")) == {text: ["a.png"]}


def test_merged_cells_hold_for_all_their_rows_and_columns(shop: Path) -> None:
    rows = [
        ["Autumn 2026", None, None, None],
        ["sku", "name", "photos", None],
        ["M", "Mug", "a.png", "a-2.png"],
        [None, None, "a-3.png", None],
        ["V", "Vase", "b.png", None],
        [None, "Vase", "b-2.png", None],
    ]
    scan = workbook(shop, rows, ("A1:D1", "C2:D2", "A3:A4", "B3:B4", "A5:A6"))
    assert shown(scan) == {"M": ["a.png", "a-2.png", "a-3.png"], "V": ["b.png", "b-2.png"]}


def test_a_photo_over_several_rows_is_each_ones(shop: Path) -> None:
    scan = workbook(shop, [["sku", "photo"], ["S", "a.png"], ["M", None], ["L", None], ["V", "b.png"]], ("B2:B4",))
    assert shown(scan) == {"S": ["a.png"], "M": ["a.png"], "L": ["a.png"], "V": ["b.png"]}


def test_formulas_whose_values_nobody_computed_are_named(shop: Path) -> None:
    rows = [["sku", "photo", "height"], ['=CONCATENATE("A",1)', "a.png", 3], ["B", "=B2", 4], ["C", "b.png", "=1+2"]]
    problems = [product.problem or "" for product in workbook(shop, rows).products]
    assert len(problems) == 3
    assert all("formula" in problem for problem in problems), problems


def test_hidden_and_further_sheets_are_named(shop: Path) -> None:
    def edit(book: Any) -> None:
        old = book.create_sheet("old prices", 0)
        old.append(["sku", "photo"])
        old.append(["OLD", "b.png"])
        old.sheet_state = "hidden"
        book.create_sheet("read me", 0).append(["Fill in sku and photo."])

    scan = workbook(shop, [["sku", "photo"], ["M", "a.png"]], edit=edit)
    assert shown(scan) == {"M": ["a.png"]}
    assert "the sheet 'Sheet' is read" in scan.notes[0]
    assert "'old prices'" in scan.notes[0]


def test_a_date_in_a_cell_is_no_sku(shop: Path) -> None:
    (product,) = workbook(shop, [["sku", "photo"], [datetime.date(2026, 2, 1), "a.png"]]).products
    assert "is a date" in (product.problem or "")
