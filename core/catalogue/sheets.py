"""Spreadsheets: rows of an XLSX file, streamed."""

from __future__ import annotations

import re
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from core.catalogue.csvs import LOOKED_AT, Row
from core.catalogue.headings import heading_row
from core.errors import InputError
from core.photos.names import display_name

MOST_ROWS = 1_048_576
"""Rows of a sheet in Excel."""
MOST_BYTES = 4 << 30
"""Of all parts of the file, unpacked."""
MOST_COLUMNS = 512
"""Of a merged range."""
MOST_ASIDES = 200_000
"""Merged ranges and formulas without a value."""
MOST_SHARED = 512 << 20
"""Of the table of texts, which is held in memory."""


def read_sheet(path: Path, notes: list[str]) -> Iterator[Row]:
    """Rows of the first visible sheet with headings, else of the first. Raises :class:`InputError` where there is none.

    ``notes`` gets a sentence about other sheets that hold products.
    """
    _refuse_bombs(path)
    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        sheets = [sheet for sheet in book.worksheets if hasattr(sheet, "iter_rows")]
        if not sheets:
            raise InputError(f"{path.name} has no sheet with rows.")
        sheets.sort(key=lambda sheet: sheet.sheet_state != "visible")
        heads = [[row.cells for row in islice(_rows(sheet, _Aside()), LOOKED_AT)] for sheet in sheets]
        tables = [sheet for sheet, head in zip(sheets, heads, strict=True) if heading_row(head) is not None]
        chosen = tables[0] if tables else sheets[0]
        if len(tables) > 1:
            names = ", ".join(f"'{display_name(sheet.title)}'" for sheet in tables[1:])
            notes.append(
                f"Of {display_name(path.name)} the sheet '{display_name(chosen.title)}' is read; others hold "
                f"products too, {names}: save each as a file of its own."
            )
        yield from _rows(chosen, _aside(chosen))
        book.close()
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path.name} cannot be read as a spreadsheet ({_short(error)}): save it again as XLSX or CSV."
        ) from error


def _short(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__


def _refuse_bombs(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read as a spreadsheet: save it again as XLSX or CSV.") from error
    if not any(part.filename == "xl/workbook.xml" for part in parts):
        raise InputError(f"{path.name} is no XLSX file: save it as XLSX or CSV.")
    shared = sum(part.file_size for part in parts if part.filename.endswith(("sharedStrings.xml", "styles.xml")))
    if sum(part.file_size for part in parts) > MOST_BYTES or shared > MOST_SHARED:
        raise InputError(f"{path.name} unpacks to more than a spreadsheet may hold: save it as CSV.")


@dataclass(frozen=True)
class _Aside:
    """What a sheet says beside its cells."""

    merged: tuple[tuple[int, int, int, int], ...] = ()
    """First and last row, first and last column (from 0) of each merged range, by first row."""
    formulas: frozenset[str] = frozenset()
    """Cells that hold a formula whose value nobody has computed: ``B2``."""


_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3}\d+):([A-Z]{1,3}\d+)"')
_FORMULA = re.compile(
    rb'<(?:\w+:)?c\s[^<>]*?r="([A-Z]{1,3}\d+)"[^<>]*><(?:\w+:)?f(?:\s[^<>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)'
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?</(?:\w+:)?c>"
)
_OVERLAP = 1 << 14
"""Bytes that hold the longest of both."""


def _aside(sheet: Any) -> _Aside:
    """Merged cells stand behind all rows, so the sheet's part of the file is looked through once before it is read."""
    merged: set[tuple[bytes, bytes]] = set()
    formulas: set[bytes] = set()
    with sheet._get_source() as stream:  # openpyxl's own way to the part; it reads merged cells only of whole files
        tail = b""
        while chunk := stream.read(1 << 20):
            text = tail + chunk
            merged.update(_MERGED.findall(text))
            formulas.update(_FORMULA.findall(text))
            tail = text[-_OVERLAP:]
            if len(merged) + len(formulas) > MOST_ASIDES:
                raise InputError(f"The sheet '{display_name(sheet.title)}' has too many merged cells: save it as CSV.")
    ranges = []
    for first, last in merged:
        (column, row), (last_column, last_row) = _place(first), _place(last)
        ranges.append((row, last_row, column, last_column))
    return _Aside(tuple(sorted(ranges)), frozenset(cell.decode() for cell in formulas))


def _place(cell: bytes) -> tuple[int, int]:
    """Column from 0 and row from 1 of ``B2``."""
    from openpyxl.utils.cell import column_index_from_string, coordinate_from_string

    letters, row = coordinate_from_string(cell.decode())
    return column_index_from_string(letters) - 1, row


def _rows(sheet: Any, aside: _Aside) -> Iterator[Row]:
    """Every cell of a merged range has the value of its first one."""
    sheet.reset_dimensions()  # what the file says of its own size may be wrong
    waiting, open_ranges = deque(aside.merged), list[tuple[int, int, int, object]]()
    for number, cells in enumerate(sheet.iter_rows(), 1):
        if number > MOST_ROWS:
            raise InputError("The sheet has more rows than a spreadsheet can have.")
        values = [_value(cell) for cell in cells]
        if aside.formulas:
            values = [
                "=…" if v is None and getattr(c, "coordinate", "") in aside.formulas else v
                for v, c in zip(values, cells, strict=True)
            ]
        while waiting and waiting[0][0] <= number:
            _, last_row, first, last = waiting.popleft()
            open_ranges.append(
                (last_row, first, min(last, MOST_COLUMNS), values[first] if first < len(values) else None)
            )
        open_ranges = [opened for opened in open_ranges if opened[0] >= number]
        for _, first, last, value in open_ranges:
            values += [None] * (last + 1 - len(values))
            values[first : last + 1] = [value] * (last + 1 - first)
        yield Row(number, tuple(values))


def _value(cell: Any) -> object:
    """Texts and numbers as they are; a number that is shown with leading zeros keeps them."""
    value = cell.value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        zeros = re.fullmatch(r"0{2,20}", str(cell.number_format or ""))
        return str(int(value)).zfill(len(zeros[0])) if zeros and float(value).is_integer() and value >= 0 else value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value if isinstance(value, str) else str(value)
