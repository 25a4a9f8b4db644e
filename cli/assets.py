"""`meshmill assets`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from cli.common import Json, open_factory, put_json, sentences, spoken
from core.records import to_json

app = typer.Typer(add_completion=False)

SORTS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "oldest": lambda rows: rows,
    "newest": lambda rows: rows[::-1],
    "best": lambda rows: sorted(rows, key=lambda row: (row.score is None, -(row.score or 0))),
    "worst": lambda rows: sorted(rows, key=lambda row: (row.score is None, row.score or 0)),
    "sku": lambda rows: sorted(rows, key=lambda row: (row.sku, row.catalogue)),
    "slowest": lambda rows: sorted(rows, key=lambda row: -(row.seconds or 0)),
}


@app.command()
def assets(
    status: Annotated[str | None, typer.Option("--status", help="queued, running, finished, review, failed, …")] = None,
    sku: Annotated[str | None, typer.Option("--sku", help="A glob: `shoe-*`.")] = None,
    since: Annotated[datetime | None, typer.Option("--since", help="Finished or planned since, in UTC.")] = None,
    catalogue: Annotated[str | None, typer.Option("--catalogue", help="Name of a catalogue.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    sort: Annotated[str, typer.Option("--sort", help="oldest, newest, best, worst, sku or slowest.")] = "oldest",
    long: Annotated[bool, typer.Option("--long", help="All figures, and reasons in full.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print a CSV table.")] = False,
    json: Json = False,
) -> None:
    """Query assets by status, SKU, date or catalogue."""
    with sentences():
        from datetime import UTC

        from core.errors import InputError
        from core.meant import did_you_mean
        from db.assets import list_assets
        from db.tables import STATUSES

        if status is not None and status not in STATUSES:
            raise InputError(
                f"There is no status '{status}': it is one of {', '.join(STATUSES)}.{did_you_mean(status, STATUSES)}"
            )
        if sort not in SORTS:
            raise InputError(f"There is no order '{sort}': it is one of {', '.join(SORTS)}.")
        if csv and json:
            raise InputError("Say either --csv or --json.")
        moment = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
        factory = open_factory()
        kept = limit if sort == "oldest" else None  # the others are cut once they are sorted
        found = list_assets(factory.engine, status=status, sku=sku, since=moment, catalogue=catalogue, limit=kept)
        factory.close()
        rows = [to_json(row) for row in SORTS[sort](found)[:limit]]
        if json:
            put_json(rows)
            return
        from rich.console import Console

        from cli.tables import asset_table, print_csv, short_table

        rows = [spoken(factory, row) for row in rows]
        if csv:
            print_csv(rows, sys.stdout)
            return
        Console().print(asset_table(rows) if long else short_table(rows))
