"""A manifest of any kind as lines, and as products: rows of one SKU together, wherever in the file they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from core.catalogue.asides import is_headings, is_pictured, is_rules, is_total, units_below
from core.catalogue.cells import text_of
from core.catalogue.csvs import LOOKED_AT, Row, read_text_table
from core.catalogue.headings import (
    Column,
    Columns,
    column_of,
    columns_of,
    heading_row,
    known_headings,
    refuse_misspelling,
)
from core.catalogue.jsons import read_entries
from core.catalogue.lines import Cell, Line, NamedPhoto, line_of
from core.catalogue.sheets import read_sheet
from core.catalogue.spool import Spool
from core.errors import InputError
from core.photos.names import display_name

_OTHERS = {".xls": "an old Excel file", ".ods": "an OpenDocument file", ".numbers": "a Numbers file", ".pdf": "a PDF"}


@dataclass
class Manifest:
    """Lines as they come, and the columns that nobody asked for, known once lines have come."""

    lines: Iterator[Line]
    unknown: list[str] = field(default_factory=list)
    entry: str = "Row"
    """What a line is called: a spreadsheet's row, or an entry of a list."""
    passed: list[int] = field(default_factory=list)
    """Numbers of rows that sum up others, known once lines have come."""
    notes: list[str] = field(default_factory=list)
    """What else of the file was passed over, known once lines have come."""


def read_lines(path: Path) -> Manifest:
    """Lines of a manifest; its kind is told by its content, then by its ending. Raises :class:`InputError`."""
    with path.open("rb") as stream:
        head = stream.read(8)
    ending = path.suffix.lower()
    if ending in _OTHERS or head.startswith((b"\xd0\xcf\x11\xe0", b"%PDF")):
        what = _OTHERS.get(ending, "an old or protected Excel file, or a PDF")
        raise InputError(f"{path.name} is {what}: save it as XLSX (without a password) or CSV.")
    if not head:
        raise InputError(f"{path.name} is empty.")
    if head.startswith(b"PK"):
        notes: list[str] = []
        manifest = _of_rows(read_sheet(path, notes), path.name, None)
        manifest.notes += notes
        return manifest
    if ending in (".json", ".jsonl", ".ndjson"):
        return _of_entries(path)
    rows, delimiter = read_text_table(path)
    return _of_rows(rows, path.name, delimiter)


def _of_rows(rows: Iterator[Row], name: str, delimiter: str | None) -> Manifest:
    head = list(islice(rows, LOOKED_AT))
    at = heading_row([row.cells for row in head])
    if at is None:
        likeliest = max(head, key=lambda row: len(known_headings(row.cells)), default=Row(1, ()))
        columns_of(likeliest.cells, name)  # a misspelled heading is the likeliest reason
        missing = "the photos (photo)" if "sku" in known_headings(likeliest.cells) else "the SKU (sku)"
        raise InputError(f"{name} has no column for {missing}: its first row must hold headings.")
    at, columns, names = _headings(head, at, name)
    comma = _decimal_comma(head[at + 1 :], columns, delimiter)
    manifest = Manifest(iter(()), list(columns.unknown))

    def lines() -> Iterator[Line]:
        for row in chain(head[at + 1 :], rows):
            if row.problem is None and not is_pictured(row.cells, columns.at):
                if is_headings(row.cells, columns.at):
                    continue
                if is_total(row.cells, columns.at):
                    manifest.passed += [row.number] * (len(manifest.passed) < MOST_PASSED)
                    continue
            cells = [Cell(c, names[p], row.cells[p] if p < len(row.cells) else None) for p, c in columns.at.items()]
            line = line_of(row.number, cells, comma=comma, problem=row.problem)
            if line is not None:
                yield line

    manifest.lines = lines()
    return manifest


MOST_PASSED = 20
"""Numbers of passed rows that are kept."""

MOST_HEADINGS = 4
"""Rows of headings: Amazon's templates have a readable one above their own names, and what is required below."""


def _headings(head: list[Row], at: int, name: str) -> tuple[int, Columns, dict[int, str]]:
    """The last row of a table's headings, its columns, and how each is called.

    Of several rows of headings each column has the first that is known, the one that knows most before the others.
    Units may stand in a row below.
    """
    last, tops = at, [at]
    first = columns_of(head[at].cells, name)
    for below in range(at + 1, min(at + MOST_HEADINGS, len(head))):
        if is_headings(head[below].cells, first.at):
            tops.append(below)
        elif not is_rules(head[below].cells):
            break
        last = below
    tops.sort(key=lambda row: -len(known_headings(head[row].cells)))
    width = max(len(head[row].cells) for row in tops)
    told = [
        [text_of(head[row].cells[place]) if place < len(head[row].cells) else "" for row in tops]
        for place in range(width)
    ]
    headings = [next((text for text in texts if column_of(text)), next(filter(None, texts), "")) for texts in told]
    columns = first if len(tops) == 1 else columns_of(headings, name)
    units = units_below(head[last + 1].cells, columns.at) if last + 1 < len(head) else {}
    if units:
        found = {place: replace(c, unit=c.unit or units.get(place)) for place, c in columns.at.items()}
        columns, last = replace(columns, at=found), last + 1
    return last, columns, {place: display_name(headings[place]) for place in columns.at}


def _decimal_comma(rows: list[Row], columns: Columns, delimiter: str | None) -> bool | None:
    """Whether the table's decimals have a comma: by its numbers, else a comma between the columns says no."""
    texts = [text_of(cell) for row in rows for cell in row.cells]
    commas = sum(1 for text in texts if re.fullmatch(r"\d+,\d{1,2}(?:\s?[a-z]{2})?", text))
    points = sum(1 for text in texts if re.fullmatch(r"\d+\.\d{1,2}(?:\s?[a-z]{2})?", text))
    if commas != points:
        return commas > points
    return False if delimiter == "," else None


def _of_entries(path: Path) -> Manifest:
    manifest = Manifest(iter(()), entry="Entry")
    known: dict[str, Column | None] = {}

    def column(heading: str) -> Column | None:
        if heading not in known:
            known[heading] = column_of(heading)
            if known[heading] is None:
                refuse_misspelling(heading, path.name)
                manifest.unknown.append(display_name(heading))
        return known[heading]

    def lines() -> Iterator[Line]:
        for number, entry in read_entries(path):
            if not isinstance(entry, dict):
                yield Line(number, None, problems=("it is no object with sku and photo",))
                continue
            found = [(heading, column(heading), value) for heading, value in entry.items()]
            best = min((c.rank for _, c, _ in found if c and c.field == "sku"), default=0)
            cells = [Cell(c, h, v) for h, c, v in found if c and (c.field != "sku" or c.rank == best)]
            line = line_of(number, cells, comma=False)
            if line is not None:
                yield line

    manifest.lines = lines()
    return manifest


@dataclass(frozen=True)
class ListedProduct:
    """A product as its lines say."""

    sku: str
    photos: tuple[NamedPhoto, ...]
    facts: dict[str, Any]
    problems: tuple[str, ...]
    """A sentence a fault."""
    entry: str
    """What a line is called."""


def products_of(manifest: Manifest, name: str) -> Iterator[ListedProduct]:
    """Products by SKU. Lines are kept in a temporary file meanwhile, so that a million of them take no memory.

    All lines are read before the first product comes: what makes a manifest unreadable as a whole is said before
    anything is taken in.
    """
    with Spool() as spool:
        spool.fill(manifest.lines)
        for sku, lines in spool.groups():
            yield _merged(sku, lines, manifest.entry, name)


def _merged(sku: str, lines: list[Line], entry: str, name: str) -> ListedProduct:
    """Lines of one SKU as one product: their photos one after another, the first line that says a fact counts."""
    problems = [f"{entry} {line.number} of {display_name(name)}, {fault}." for line in lines for fault in line.problems]
    facts: dict[str, Any] = {}
    said: dict[str, int] = {}
    photos: dict[tuple[str, str | None], NamedPhoto] = {}
    for line in sorted(lines, key=lambda line: (line.facts.pop("position", 0), line.number)):
        for photo in line.photos:
            photos.setdefault((photo.path, photo.role), photo)
        for fact, value in line.facts.items():
            if fact not in facts:
                facts[fact], said[fact] = value, line.number
            elif facts[fact] != value and fact.endswith("_cm"):
                rows = f"{entry}s {said[fact]} and {line.number} of {display_name(name)}"
                problems.append(f"{rows} give {fact.removesuffix('_cm')} {facts[fact]:g} cm and {value:g} cm.")
    if not photos and not problems:
        problems.append(f"{entry} {lines[0].number} of {display_name(name)} names no photo.")
    shown = sku or f"{entry.lower()} {lines[0].number}"
    return ListedProduct(shown, tuple(photos.values()), facts, tuple(dict.fromkeys(problems)), entry)
