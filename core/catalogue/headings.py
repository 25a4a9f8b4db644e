"""Headings as people write them: which column holds what, in which unit, and which are nobody's business."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from core.catalogue.cells import UNITS, is_error, text_of
from core.errors import InputError
from core.photos.names import display_name
from core.photos.shot_words import WORDS, folded, words

NAMES: dict[str, tuple[str, ...]] = {
    "sku": (
        *(
            "sku",
            "variant sku",
            "artikelnummer",
            "artikelnr",
            "artikel nr",
            "art nr",
            "artnr",
            "item no",
            "item number",
        ),
        *(
            "item nr",
            "item sku",
            "seller sku",
            "itemno",
            "article number",
            "article no",
            "product number",
            "product no",
            "part number",
            "part no",
        ),
        *("bestellnummer", "bestellnr", "produktnummer", "produkt nr", "reference", "ref", "referencia", "referentie"),
        *(
            "codice articolo",
            "codigo",
            "codice",
            "artikelcode",
            "product code",
            "productcode",
            "item code",
            "model number",
        ),
        *(
            "product id",
            "productid",
            "produkt id",
            "article",
            "artikel",
            "item",
            "item id",
            "id",
            "code",
            "handle",
            "asin",
        ),
        *("gtin", "ean", "upc", "barcode", "style"),
    ),
    "photo": (
        *("photo", "photos", "image", "images", "picture", "pictures", "bild", "bilder", "foto", "fotos", "img", "pic"),
        *(
            "image src",
            "image file",
            "image filename",
            "image name",
            "image path",
            "image url",
            "image link",
            "main image",
            "main image url",
            "base image",
        ),
        *(
            "photo file",
            "photo path",
            "bilddatei",
            "bildname",
            "bildpfad",
            "bild url",
            "hauptbild",
            "dateiname",
            "datei",
        ),
        *("file", "files", "filename", "file name", "path", "pfad", "imagen", "imagenes", "immagine", "immagini"),
        *(
            "afbeelding",
            "afbeeldingen",
            "additional image",
            "additional images",
            "additional image link",
            "weitere bilder",
        ),
        *("zusatzbild", "zusatzbilder", "other images", "gallery", "media"),
    ),
    "name": (
        *("name", "title", "titel", "bezeichnung", "artikelbezeichnung", "produktname", "produktbezeichnung"),
        *("product name", "product title", "item name", "designation", "nom", "nombre", "nome", "naam", "omschrijving"),
    ),
    "height": (
        "height",
        "hohe",
        "hoehe",
        "h",
        "hauteur",
        "altura",
        "alto",
        "altezza",
        "hoogte",
        "product height",
        "item height",
    ),
    "width": (
        *(
            "width",
            "breite",
            "w",
            "b",
            "largeur",
            "ancho",
            "anchura",
            "larghezza",
            "breedte",
            "product width",
            "item width",
        ),
        *("diameter", "durchmesser", "diametre", "diametro"),
    ),
    "depth": (
        "depth",
        "tiefe",
        "d",
        "t",
        "profondeur",
        "profundidad",
        "fondo",
        "profondita",
        "diepte",
        "product depth",
        "item depth",
    ),
    "length": (
        *("length", "lange", "laenge", "l", "longueur", "longitud", "largo", "lunghezza", "lengte", "item length"),
        "product length",
    ),
    "unit": (
        *("unit", "units", "einheit", "masseinheit", "dimension unit", "unite", "unidad", "unita", "eenheid"),
        *("item dimensions unit of measure", "item dimensions unit", "dimensions unit", "size unit", "masse einheit"),
    ),
    "licence": ("licence", "license", "lizenz", "licenza", "licencia", "licentie", "photo licence", "photo license"),
    "attribution": (
        *("attribution", "credit", "credits", "photographer", "fotograf", "bildnachweis", "copyright", "photo credit"),
        *("urheber", "nachweis"),
    ),
    "role": ("role", "rolle", "view", "ansicht", "shot", "image type", "photo type", "bildtyp", "perspective"),
    "azimuth": ("azimuth", "azimut", "angle", "winkel", "camera azimuth"),
    "elevation": ("elevation", "camera elevation", "kamerahohe"),
    "position": ("position", "image position", "photo position", "bildnummer", "image number", "image no", "index"),
    "variant_photo": ("variant image", "variant photo", "variantenbild"),
    "kind": ("parent child", "parentage", "parentage level"),
    "variant_of": ("variant of", "variante von", "parent", "parent sku", "parent id", "variant parent", "hauptartikel"),
    "priority": ("priority", "prioritat", "prio", "rank", "rang", "priorite", "prioridad", "priorita"),
}
"""What a column may be called, folded; of several that hold the SKU the one that stands first here is taken."""

UNRELATED = words(
    "price prices preis cost kosten weight gewicht ean gtin upc asin barcode category kategorie brand marke colour "
    "color farbe material stock bestand quantity menge tags type typ status vendor hersteller supplier lieferant "
    "description beschreibung currency wahrung vat mwst tax published collection season saison gender size grosse url "
    "link seo alt notes note bemerkung comment kommentar date datum country land origin tariff hs volume volumen body"
)
"""Words of columns that shops keep beside ours: never taken for a misspelling."""

_FIELD = {name: field for field, names in NAMES.items() for name in names}
_PHOTO_WORDS = words("photo image picture bild foto img pic file datei imagen immagine afbeelding bilddatei")
_BESIDE_PHOTO = words("url link src path locator location other additional weitere weiteres zusatz extra product item")
"""Said beside a photo's word without meaning anything else: ``other_image_url1``, ``main_product_image_locator``."""
CODES = words("gtin ean upc barcode")
"""What a column of trade item numbers is called: their length and check digit are known."""


@dataclass(frozen=True)
class Column:
    """What a column holds."""

    field: str
    unit: str | None = None
    """Of a length, where the heading says it."""
    role: str | None = None
    """Of a photo, where the heading says it: ``image back``; of a unit, the length whose it is: ``height unit``."""
    rank: int = 0
    """Of several columns for one field the lowest is taken."""


@dataclass(frozen=True)
class Columns:
    """A table's columns."""

    at: dict[int, Column]
    unknown: tuple[str, ...]
    """Headings that are passed over."""


def plain_heading(heading: object) -> str:
    """``  Höhe (mm)`` as ``hohe mm``."""
    return " ".join(re.findall(r"[^\W_]+|[\"\u2033]", folded(text_of(heading).replace("ß", "ss"))))


@lru_cache(maxsize=4096)
def column_of(heading: str) -> Column | None:
    """What a column of that heading holds; None for one that is passed over."""
    plain = "" if is_error(heading) else plain_heading(heading)
    parts = plain.split()
    unit = next((UNITS[part][0] for part in reversed(parts[1:]) if part in UNITS and part != "in"), None)
    if unit is None and parts[1:] and parts[-1] == "in":
        unit = "in"
    rest = " ".join(part for part in parts if unit is None or part not in UNITS)
    for name, said in ((plain, None), (rest, unit)):
        field = _FIELD.get(name)
        if field is not None and (said is None or field in LENGTHS):
            return Column(field, said, rank=NAMES[field].index(name))
    measured = re.fullmatch(r"(?:item |product )?([a-z ]+) (?:unit|einheit)(?: of measure)?", plain)
    if measured and _FIELD.get(measured[1]) in LENGTHS:
        return Column("unit", role=_FIELD[measured[1]])
    return _photo_column(parts)


LENGTHS = ("height", "width", "depth", "length")


def _photo_column(parts: list[str]) -> Column | None:
    """``image 2``, ``photo_back``, ``bild vorne``, ``back``: a photo, with its number or its side."""
    views = [part for part in parts if part in WORDS]
    others = [part for part in parts if part not in WORDS and part not in _PHOTO_WORDS and not part.isdigit()]
    glued = [re.fullmatch(r"([a-z]+)\d{1,2}", part) for part in others]
    own = _PHOTO_WORDS | _BESIDE_PHOTO
    others = [part for part, match in zip(others, glued, strict=True) if not (match and match[1] in own)]
    has_word = any(part.rstrip("0123456789") in _PHOTO_WORDS for part in parts)
    others = [part for part in others if part not in _BESIDE_PHOTO] if has_word else others
    if others or not (has_word or len(parts) == len(views) == 1):
        return None
    number = next((int(found) for part in parts for found in re.findall(r"\d+", part)), 0)
    return Column("photo", role=views[-1] if views else None, rank=len(NAMES["photo"]) + number)


def known_headings(cells: Iterable[object]) -> set[str]:
    """Fields that a row of headings would name."""
    return {column.field for cell in cells if (column := column_of(text_of(cell))) is not None}


def heading_row(rows: Sequence[Sequence[object]]) -> int | None:
    """The first row that names both the SKU and a photo, where no row above it names more of what is known: then that
    one holds the headings, and one is missing among them."""
    most = 0
    for at, cells in enumerate(rows):
        known = known_headings(cells)
        if {"sku", "photo"} <= known and len(known) >= most:
            return at
        most = max(most, len(known) if "sku" in known else 0)
    return None


def columns_of(cells: Sequence[object], source: str) -> Columns:
    """The columns of a row of headings. Raises :class:`InputError` for a near miss.

    Several for one thing stay where none is the better one: their cells must agree.
    """
    found: dict[int, Column] = {}
    unknown: dict[int, str] = {}
    for at, cell in enumerate(cells):
        heading = text_of(cell)
        column = column_of(heading) if heading else None
        if column is not None:
            found[at] = column
        elif heading:
            refuse_misspelling(heading, source)
            unknown[at] = display_name(heading)
    for field in {column.field for column in found.values()} - {"photo", "unit"}:
        same = sorted((at for at, column in found.items() if column.field == field), key=lambda at: found[at].rank)
        for at in same[1:]:
            if field == "sku" and plain_heading(cells[at]) == "handle":
                found[at] = Column("group")
            elif field in ("sku", "name") or found[at].rank != found[same[0]].rank:
                unknown[at] = display_name(text_of(cells[at]))
                del found[at]
    return Columns(found, tuple(unknown[at] for at in sorted(unknown)))


def refuse_misspelling(heading: str, source: str) -> None:
    """Raises :class:`InputError` for a heading that is nearly one of ours: ``heigth_cm``."""
    parts = plain_heading(heading).split()
    if not parts or set(parts) & UNRELATED:
        return
    known = {name for name in _FIELD if len(name) >= 4 and " " not in name}
    for word in parts:
        close = [name for name in get_close_matches(word, known, 3, 0.8) if name[0] == word[0] and name != word]
        if close and len(word) >= 4 and word not in known and word not in UNITS:
            meant = heading.casefold().replace(word, close[0])
            raise InputError(f"The column '{display_name(heading)}' of {source} is not known; is '{meant}' meant?")
