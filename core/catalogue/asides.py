"""Rows of a table that are no products: headings once more, units below them, what a column must hold, totals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.catalogue.cells import UNITS, text_of
from core.catalogue.headings import LENGTHS, Column, column_of
from core.photos.litter import is_picture
from core.photos.shot_words import folded, words

TOTALS = words(
    "total totals subtotal sum grandtotal summe gesamt gesamtsumme zwischensumme insgesamt somme suma totale totaal "
    "totaux anzahl count"
)
RULES = words(
    "string text number numeric decimal float integer int url enum required optional conditional mandatory preferred "
    "recommended pflicht pflichtfeld optionales zahl obligatoire facultatif obligatorio opcional"
)
"""What a row below the headings says of its columns, cell by cell."""


def is_headings(cells: Sequence[object], columns: Mapping[int, Column]) -> bool:
    """Whether a row names columns where a product would name itself and its photo."""

    def names(field: str) -> bool:
        texts = [text_of(cells[at]) for at, column in columns.items() if column.field == field and at < len(cells)]
        return any(found is not None and found.field == field for text in texts if (found := column_of(text)))

    return names("sku") and names("photo")


def is_rules(cells: Sequence[object]) -> bool:
    """Whether every cell of a row is a word of :data:`RULES`, several times over."""
    texts = [folded(text) for cell in cells if (text := text_of(cell))]
    return len(texts) > 1 and all(text in RULES for text in texts)


def units_below(cells: Sequence[object], columns: Mapping[int, Column]) -> dict[int, str]:
    """The units that a row names below its lengths' headings, by column; empty for a row that says anything else."""
    found = {at: text_of(cell).casefold().strip("()[].") for at, cell in enumerate(cells) if text_of(cell)}
    if not all(unit in UNITS and at in columns and columns[at].field in LENGTHS for at, unit in found.items()):
        return {}
    return {at: UNITS[unit][0] for at, unit in found.items()}


def is_total(cells: Sequence[object], columns: Mapping[int, Column]) -> bool:
    """Whether a row sums up those above it: it says so where the SKU stands, or anywhere where it has none."""
    sku = " ".join(text_of(cells[at]) for at, column in columns.items() if column.field == "sku" and at < len(cells))
    return any(_says_total(text) for text in ([sku] if sku else map(text_of, cells)))


def is_pictured(cells: Sequence[object], columns: Mapping[int, Column]) -> bool:
    """Whether a row names a picture: then it is none of the others here."""
    photos = (cells[at] for at, column in columns.items() if column.field == "photo" and at < len(cells))
    return any(is_picture(text_of(cell)) for cell in photos)


def _says_total(text: str) -> bool:
    found = re.findall(r"[a-z]+", folded(text))
    return bool(found) and (found[0] in TOTALS or found[:2] == ["grand", "total"]) and len(found) <= 3
