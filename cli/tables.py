"""Tables for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {"finished": "green", "review": "yellow", "failed": "red", "quarantined": "magenta", "superseded": "dim"}


def size(count: int | None) -> str:
    if count is None:
        return ""
    return f"{count / 1024:.0f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"


def first_reason(row: dict[str, Any]) -> str:
    """What weighs most, and how many reasons stand behind it: `meshmill show` has them all. Failures are told whole."""
    reason = row["reason"] or ""
    first, _, others = reason.partition(". ")
    if not others or row["status"] not in ("finished", "review"):
        return reason
    return f"{first} (and {others.count('. ') + 1} more)."


def asset_table(rows: list[dict[str, Any]]) -> Table:
    """Assets, one a line."""
    table = Table(box=None, pad_edge=False)
    for heading, justify in (("SKU", "left"), ("status", "left"), ("score", "right"), ("faces", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("GLB", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("reason", overflow="fold")
    for row in rows:
        score = row.get("quality", {}).get("score")
        table.add_row(
            escape(row["sku"]),
            f"[{COLOURS.get(row['status'], 'white')}]{row['status']}[/]",
            "" if score is None else f"{score:.2f}",
            "" if row["faces"] is None else f"{row['faces']:,}",
            size(row["bytes"]),
            "" if row["seconds"] is None else f"{row['seconds']:.0f}",
            escape(first_reason(row)),
        )
    return table


def print_run(document: dict[str, Any], out: Path | None) -> None:
    """The end of a run."""
    console = Console()
    console.print(asset_table(document["assets"]))
    counts = ", ".join(f"{count} {name}" for name, count in document["counts"].items() if count) or "nothing to do"
    console.print(f"\n{counts} in {document['seconds']:.0f} s (run {document['run_id']})")
    if out is not None:
        console.print(f"GLBs in {escape(str(out))}, contact sheet {escape(document.get('sheet') or 'not drawn')}")
