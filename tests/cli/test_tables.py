"""Tables for people: what is cut where the terminal is narrow."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cli.tables import short_table

REASON = "The product's edge in the photo is uncertain, and much more could be said about it than fits into a line."


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_reason_gives_way_and_never_the_status(width: int) -> None:
    rows = [
        {"sku": f"studio-headphones-white-{n}", "status": status, "score": 0.42, "reason": REASON, "reasons": [1, 2]}
        for n, status in enumerate(("review", "quarantined", "failed"))
    ]
    shown = io.StringIO()
    Console(file=shown, width=width).print(short_table(rows))
    lines = shown.getvalue().splitlines()
    assert len(lines) == 4, "one line an asset"
    for line, row in zip(lines[1:], rows, strict=True):
        assert f"{row['sku']}  {row['status']}" in line
        assert " 0.42  The " in line
        assert len(line) <= width
