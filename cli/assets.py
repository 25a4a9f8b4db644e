"""`meshmill assets`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from cli.common import Json, open_factory, put_json, sentences

app = typer.Typer(add_completion=False)


@app.command()
def assets(
    status: Annotated[str | None, typer.Option("--status", help="queued, running, finished, review, failed, …")] = None,
    sku: Annotated[str | None, typer.Option("--sku", help="A glob: `shoe-*`.")] = None,
    since: Annotated[datetime | None, typer.Option("--since", help="Finished or planned since, in UTC.")] = None,
    catalogue: Annotated[str | None, typer.Option("--catalogue", help="Name of a catalogue.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1)] = None,
    json: Json = False,
) -> None:
    """Query assets by status, SKU, date or catalogue."""
    with sentences():
        from datetime import UTC

        from core.errors import InputError
        from db.assets import list_assets
        from db.tables import STATUSES

        if status is not None and status not in STATUSES:
            raise InputError(f"There is no status '{status}': it is one of {', '.join(STATUSES)}.")
        moment = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
        factory = open_factory()
        rows = list_assets(factory.engine, status=status, sku=sku, since=moment, catalogue=catalogue, limit=limit)
        factory.close()
        if json:
            put_json([row.as_dict() for row in rows])
            return
        from rich.console import Console

        from cli.tables import asset_table

        Console().print(asset_table([row.as_dict() for row in rows]))
