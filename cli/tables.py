"""Tables for people."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from flows.report import sizes_in_words

COLOURS = {"finished": "green", "review": "yellow", "failed": "red", "quarantined": "magenta", "superseded": "dim"}


def size(count: int | None) -> str:
    if count is None:
        return ""
    return f"{count / 1024:.0f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"


def first_reason(row: Mapping[str, Any]) -> str:
    """What weighs most, and how many reasons stand behind it: `meshmill show` has them all."""
    reason, others = row["reason"] or "", len(row["reasons"]) - 1
    return f"{reason} (and {others} more)" if reason and others > 0 and row["status"] != "finished" else reason


def short_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Assets, one a line, within the terminal's width: long SKUs and reasons are cut."""
    table = Table(box=None, pad_edge=False, expand=False)
    table.add_column("SKU", no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column("status", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("reason")  # the one column that gives way: where none may, Rich cuts all alike
    for row in rows:
        table.add_row(
            escape(row["sku"]),
            f"[{COLOURS.get(row['status'], 'white')}]{row['status']}[/]",
            "" if row["score"] is None else f"{row['score']:.2f}",
            Text(first_reason(row), no_wrap=True, overflow="ellipsis"),
        )
    return table


CSV_COLUMNS = ("catalogue", "sku", "name", "status", "score", "reason", "faces", "bytes", "size_known", "seconds",
               "recipe", "model", "licence", "glb", "created_at", "finished_at", "asset_id")  # fmt: skip


def print_csv(rows: Sequence[Mapping[str, Any]], out: TextIO) -> None:
    """A table for programs, with a head line; cells stand as they are."""
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    writer.writerows([row[name] for name in CSV_COLUMNS] for row in rows)


def asset_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Assets with all their figures."""
    table = Table(box=None, pad_edge=False)
    for heading, justify in (("SKU", "left"), ("status", "left"), ("score", "right"), ("faces", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("GLB", justify="right")
    table.add_column("real size")
    table.add_column("seconds", justify="right")
    table.add_column("reason", overflow="fold")
    for row in rows:
        table.add_row(
            escape(row["sku"]),
            f"[{COLOURS.get(row['status'], 'white')}]{row['status']}[/]",
            "" if row["score"] is None else f"{row['score']:.2f}",
            "" if row["faces"] is None else f"{row['faces']:,}",
            size(row["bytes"]),
            "known" if row["size_known"] else "unknown",
            "" if row["seconds"] is None else f"{row['seconds']:.0f}",
            escape(first_reason(row)),
        )
    return table


def print_run(document: dict[str, Any], out: Path | None) -> None:
    """The end of a run."""
    console = Console()
    console.print(short_table(document["assets"]))
    counts = ", ".join(f"{count} {name}" for name, count in document["counts"].items() if count) or "nothing to do"
    console.print(f"\n{counts} in {document['seconds']:.0f} s (run {document['run_id']})")
    if document.get("night"):
        console.print(escape(f"{document['counts'].get('queued', 0)} products stay queued: {document['night']}"))
    if (said := sizes_in_words(document.get("size_unknown", 0))) is not None:
        console.print(said)
    if out is not None:
        console.print(f"GLBs in {escape(str(out))}, contact sheet {escape(document.get('sheet') or 'not drawn')}")
