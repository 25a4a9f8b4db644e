"""Spreadsheets: rows of an XLSX file, streamed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from core.catalogue.csvs import LOOKED_AT, Row
from core.catalogue.headings import heading_row
from core.errors import InputError

MOST_ROWS = 1_048_576
"""Rows of a sheet in Excel."""
MOST_BYTES = 4 << 30
"""Of all parts of the file, unpacked."""
MOST_SHARED = 512 << 20
"""Of the table of texts, which is held in memory."""


def read_sheet(path: Path) -> Iterator[Row]:
    """Rows of the first sheet with headings, else of the first. Raises :class:`InputError` where nothing is read."""
    _refuse_bombs(path)
    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        sheets = [sheet for sheet in book.worksheets if hasattr(sheet, "iter_rows")]
        if not sheets:
            raise InputError(f"{path.name} has no sheet with rows.")
        heads = ([row.cells for row in islice(_rows(sheet), LOOKED_AT)] for sheet in sheets)
        chosen = next((s for s, head in zip(sheets, heads, strict=True) if heading_row(head) is not None), sheets[0])
        yield from _rows(chosen)
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


def _rows(sheet: Any) -> Iterator[Row]:
    sheet.reset_dimensions()  # what the file says of its own size may be wrong
    for number, cells in enumerate(sheet.iter_rows(), 1):
        if number > MOST_ROWS:
            raise InputError("The sheet has more rows than a spreadsheet can have.")
        yield Row(number, tuple(_value(cell) for cell in cells))


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
