"""Lines on disk until all are read, so that rows of one product meet wherever in the file they stand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from core.catalogue.lines import Line


class Spool:
    """Lines by SKU. What rows say of all SKUs of their group comes behind what is said of each."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("")  # a file that nobody else sees, gone with the connection

    def __enter__(self) -> Spool:
        self._file.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA cache_size = -8000;"
            "CREATE TABLE line (sku TEXT, family TEXT, parent TEXT, number INTEGER, text TEXT); BEGIN"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fill(self, lines: Iterable[Line]) -> None:
        rows = (
            (part.sku or "", part.group or None, part.facts.get("child_of"), part.number, part.packed())
            for line in lines
            for part in line.parted()
        )
        self._file.executemany("INSERT INTO line VALUES (?, ?, ?, ?, ?)", rows)
        self._file.execute("CREATE INDEX by_sku ON line (sku, number)")
        self._file.execute("CREATE INDEX by_family ON line (family, sku) WHERE family IS NOT NULL")
        self._file.execute("CREATE INDEX by_parent ON line (parent, sku) WHERE parent IS NOT NULL")

    def groups(self) -> Iterator[tuple[str, list[Line]]]:
        """Lines of each SKU, those of its group behind them; a line without SKU or group alone; a group that no row
        gives a SKU is one by its own name."""
        rows = self._file.execute("SELECT sku, text FROM line WHERE sku > '' OR family IS NULL ORDER BY sku, number")
        for sku, found in groupby(rows, key=lambda row: row[0]):
            lines = [Line.unpacked(text) for _, text in found]
            for line in lines:
                self._name_base(line)
            if sku:
                yield sku, [*lines, *(self._shared(lines[0].group, sku) if lines[0].group else ())]
            else:
                yield from (("", [line]) for line in lines)
        nameless = self._file.execute(
            "SELECT family FROM line WHERE family IS NOT NULL GROUP BY family HAVING max(sku) = '' ORDER BY family"
        )
        for (family,) in nameless:
            yield family, self._shared(family, family)

    def _name_base(self, line: Line) -> None:
        """Children of a parent that is no product itself are variants of the first of them."""
        parent = line.facts.pop("child_of", None)
        if parent is None:
            return
        ((first,),) = self._file.execute("SELECT min(sku) FROM line WHERE parent = ? AND sku > ''", (parent,))
        if first not in (None, line.sku):
            line.facts["variant_of"] = first

    def _shared(self, family: str, sku: str) -> list[Line]:
        """What rows say of all of a group. Photos that show one of its SKUs alone belong to no other one; once some do,
        a SKU that has its own takes no other: nobody knows which of them those show."""
        rows = self._file.execute("SELECT sku, text FROM line WHERE family = ? ORDER BY sku, number", (family,))
        lines = [(row[0], Line.unpacked(row[1])) for row in rows]
        own = {photo.path: owner for owner, line in lines if owner for photo in line.photos}
        alone = sku in own.values() and len({owner for owner, _ in lines if owner}) > 1
        return [
            replace(
                line,
                photos=tuple(p for p in line.photos if own.get(p.path, sku) == sku and (not alone or p.path in own)),
            )
            for owner, line in lines
            if not owner
        ]
