"""What one takes home of a list: a table for a spreadsheet, an archive of its models. Both are streamed."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine

from core.errors import MeshmillError
from db import gallery as queries
from db.gallery import Filters
from db.reviews import last_words
from gallery.pages import DONE, STATUS_WORDS
from storage import Store, read_bytes

PAGE = 500

COLUMNS = ("catalogue", "sku", "name", "status", "score", "reason", "faces", "bytes", "decision", "by", "note", "page")


def table(engine: Engine, filters: Filters, base: str) -> Iterator[str]:
    """CSV with a head line, as spreadsheets read it: no cell is taken for a formula. ``base``: the address."""
    yield "\ufeff" + _line(COLUMNS)
    for rows in _pages(engine, filters):
        said = last_words(engine, [row.asset_id for row in rows])
        for row in rows:
            word = said.get(row.asset_id)
            people = (DONE[word.decision or ""], word.by, word.text) if word else ("", "", "")
            plain = vars(row) | {"status": STATUS_WORDS[row.status]}
            page = f"{base}assets/{row.asset_id}"
            yield _line([*(plain[name] for name in COLUMNS[:8]), *people, page])


def archive(engine: Engine, store: Store, filters: Filters, name_of: Any) -> Iterator[bytes]:
    """A ZIP of the GLBs; what could not be read is named in ``not-included.txt``. ``name_of``: SKU and kind to a
    harmless file name."""
    sink = _Sink()
    missing: list[str] = []
    taken: set[str] = set()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as out:
        for rows in _pages(engine, filters):
            for row in rows:
                glb = queries.files(engine, row.asset_id).get("glb")
                if glb is None or row.status == "queued":
                    continue
                try:
                    data = read_bytes(store, glb.key, glb.sha256)
                except MeshmillError as error:
                    missing.append(f"{row.catalogue}/{row.sku}: {error}")
                    continue
                name = name_of(row.sku, "glb")
                # Files of one folder must differ also where a disk does not tell capitals from small letters.
                name = name if name.casefold() not in taken else name.removesuffix(".glb") + f"-{row.asset_id}.glb"
                taken.add(name.casefold())
                out.writestr(zipfile.ZipInfo(name), data)
                yield sink.take()
        if missing or not taken:
            out.writestr("not-included.txt", "\n".join(missing or ["This list holds no model."]) + "\n")
    yield sink.take()


def _pages(engine: Engine, filters: Filters) -> Iterator[list[queries.GridRow]]:
    number = 1
    while rows := queries.page(engine, filters, number, PAGE)[0]:
        yield rows
        number += 1


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_cell(cell) for cell in cells])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would compute gets an apostrophe in front."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


class _Sink(io.RawIOBase):
    """Where the archive is written to until it is sent: it cannot seek, so the archive needs no going back."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
