"""`meshmill plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import (
    First,
    Json,
    MaxCost,
    NoGroup,
    Overrides,
    PhotosFrom,
    RecipeName,
    Until,
    open_factory,
    put_json,
    sentences,
)
from core.records import to_json

if TYPE_CHECKING:
    from tasks.forecast import Forecast

app = typer.Typer(add_completion=False)


@app.command()
def plan(
    photos: PhotosFrom,
    recipe: RecipeName = "starter",
    set_: Overrides = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Plan at most so many products.")] = None,
    force: Annotated[bool, typer.Option("--force", help="As if everything was built again.")] = False,
    no_group: NoGroup = False,
    first: First = None,
    max_cost: MaxCost = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """What a run would do, from which shots, how long and how dear. Nothing is built, no model is loaded."""
    with sentences():
        from core.recipes import load_recipe
        from tasks.forecast import forecast
        from tasks.night import night_of

        loaded, night = load_recipe(recipe, set_ or []), night_of(first or (), max_cost, until)
        factory = open_factory()
        try:
            seen = forecast(factory, photos, loaded, limit=limit, force=force, group=not no_group, night=night)
        finally:
            factory.close()
        if json:
            put_json(to_json(seen.report()))
        else:
            _print(seen)


SHOWN = 200
"""Products that are printed one by one; `--json` has them all."""


def _print(seen: Forecast) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("SKU", "action", "reason", "photos"):
        table.add_column(heading, overflow="fold")
    for product in seen.products[:SHOWN]:
        photos = ", ".join(f"{seen.file_of(p)} ({p.role}: {p.used_for})" for p in product.found.photos[:4])
        more = len(product.found.photos) - 4
        table.add_row(
            escape(product.found.sku),
            product.action,
            escape(" ".join([product.reason, *product.found.warnings])),
            escape(photos + (f" and {more} more" if more > 0 else "")),
        )
    console = Console()
    console.print(table)
    if len(seen.products) > SHOWN:
        console.print(f"and {len(seen.products) - SHOWN:,} more")
    for note in seen.notes:
        console.print(f"Note: {escape(note)}")
    if seen.removed:
        console.print(f"{seen.removed:,} products of last time are not shown any more")
    console.print(", ".join(f"{count:,} {action}" for action, count in seen.counts().items() if count))
    if seen.unknown:
        console.print(f"No estimate: {', '.join(seen.unknown)} never ran here. Build one product, then ask again.")
    elif seen.ends_at is not None:
        console.print(f"About {seen.seconds:,.0f} s, until {seen.ends_at:%d %b %H:%M}, cost {seen.cost:.2f}")
