"""Tables as text: encoding, delimiter and rows are found out, whatever spreadsheet or system wrote them.

Nothing is held whole: a file is looked through once for its encoding, then read line by line.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.catalogue.headings import known_headings
from core.errors import InputError

DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 30
"""Rows among which the headings must stand."""
LONGEST_CELL = 20_000
"""Characters of a cell: more is an unclosed quotation mark or no table."""
MOST_LINES = 50
"""Lines of one cell."""
LONGEST_LINE = 1 << 20

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Row:
    """A row of a table, numbered as a spreadsheet does."""

    number: int
    cells: tuple[object, ...]
    problem: str | None = None
    """Why its cells are not to be trusted."""


def text_encoding(path: Path) -> str:
    """The encoding of a text file, as Python names it. Raises :class:`InputError` for what is no text."""
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
        for bom, encoding in BOMS:
            if head.startswith(bom):
                return encoding
        if head.count(b"\0") > len(head) // 8:  # UTF-16 without its mark: every other byte of Latin text is NUL
            even, odd = head[0::2].count(b"\0"), head[1::2].count(b"\0")
            if max(even, odd) > 4 * min(even, odd):
                return "utf-16-be" if even > odd else "utf-16-le"
            raise InputError(f"{path.name} is no table: it is neither text nor a spreadsheet. Save it as CSV or XLSX.")
        stream.seek(0)
        good, bad = 0, 0
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        while chunk := stream.read(1 << 20):
            text = decoder.decode(chunk)
            if not text.isascii():
                broken = sum(1 for c in text if "\udc80" <= c <= "\udcff")
                bad += broken
                good += sum(1 for c in text if c > "\x7f") - broken
    if bad * 10 <= good:
        return "utf-8"
    # What Excel for Mac calls CSV (Macintosh) ends its lines in a carriage return alone.
    return "mac_roman" if b"\r" in head and b"\n" not in head else "cp1252"


def read_text_table(path: Path) -> tuple[Iterator[Row], str]:
    """Rows of a text file, and its delimiter. Raises :class:`InputError` for what is no table."""
    encoding = text_encoding(path)
    head = list(islice(_lines(path, encoding), LOOKED_AT))
    said = re.fullmatch(r"\s*\"?sep=(.)\"?[;,\t|]*\s*", head[0][:40], re.IGNORECASE) if head else None
    delimiter = said[1] if said else _delimiter(head)
    if delimiter not in DELIMITERS and said is None:
        raise InputError(f"{path.name} is no table: no row of it names a column for the SKU.")
    return _rows(_lines(path, encoding, skip=1 if said else 0), delimiter), delimiter


def _lines(path: Path, encoding: str, skip: int = 0) -> Iterator[str]:
    errors = "replace" if encoding.startswith("utf-16") or encoding.startswith("utf-32") else "surrogateescape"
    with path.open(encoding=encoding, errors=errors, newline=None) as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE and not line.endswith("\n"):
                raise InputError(f"Row {number} of {path.name} is longer than a million characters: this is no table.")
            if number > skip:
                yield line.rstrip("\n")


def _delimiter(head: list[str]) -> str:
    """The one by which most headings are known, then the one that divides most rows alike."""

    def rank(delimiter: str) -> tuple[int, int]:
        rows = list(_rows(head, delimiter))
        known = max((len(known_headings(row.cells)) for row in rows), default=0)
        widths = [len(row.cells) for row in rows if len(row.cells) > 1]
        return known, max((widths.count(width) for width in widths), default=0)

    return max(DELIMITERS, key=rank)


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    """Rows of cells. A quotation mark that is never closed spoils its own line alone, not all that follow."""
    source = iter(lines)
    held: deque[str] = deque()
    number = 0
    while (line := held.popleft() if held else next(source, None)) is not None:
        number += 1
        block, quotes = [line], _Quotes(delimiter)
        quotes.read(line)
        while quotes.open and len(block) < MOST_LINES and quotes.length < LONGEST_CELL:
            more = held.popleft() if held else next(source, None)
            if more is None:
                break
            block.append(more)
            quotes.read("\n" + more)
        if quotes.open or (len(block) > 1 and quotes.odd):
            held.extendleft(reversed(block[1:]))
            yield Row(
                number, tuple(line.replace('"', "").split(delimiter)), "a quotation mark opens a cell that never ends"
            )
        else:
            yield _row(number, "\n".join(block), delimiter)


class _Quotes:
    """Where a row's quotation marks stand, character by character, as the csv module reads them."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._state = "start"
        self.odd = False
        """Something stands behind a closed cell: the mark that closed it was meant to open another one."""
        self.length = 0

    @property
    def open(self) -> bool:
        return self._state == "quoted"

    def read(self, text: str) -> None:
        self.length += len(text)
        if '"' not in text and self._state != "quoted":
            return
        for character in text:
            self._step(character)

    def _step(self, character: str) -> None:
        if self._state == "quoted":
            self._state = "closed" if character == '"' else "quoted"
        elif character == self._delimiter:
            self._state = "start"
        elif self._state == "closed" and character != " ":
            self.odd |= character != '"'
            self._state = "quoted" if character == '"' else "plain"
        elif self._state == "start" and character != " ":
            self._state = "quoted" if character == '"' else "plain"


def _row(number: int, text: str, delimiter: str) -> Row:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:  # a cell beyond the module's limit
        return Row(number, tuple(cell[:LONGEST_CELL] for cell in text.split(delimiter)), f"it cannot be read ({error})")
    return Row(number, tuple(rows[0]) if rows else ())
