"""`meshmill reproduce`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import InCatalogue, Json, find_asset, open_factory, put_json, sentences
from core.records import to_json

app = typer.Typer(add_completion=False)


@app.command()
def reproduce(
    asset: Annotated[str, typer.Argument(help="SKU, catalogue/SKU or asset id.")],
    catalogue: InCatalogue = None,
    json: Json = False,
) -> None:
    """Build an asset again from its stored photo and compare every hash; exit 1 where one differs."""
    with sentences():
        from tasks.reproduce import reproduce as rebuild

        factory = open_factory()
        try:
            document = rebuild(factory, find_asset(factory, asset, catalogue))
        finally:
            factory.close()
        if json:
            put_json(to_json(document))
        else:
            for item in document.artifacts:
                typer.echo(f"{'same  ' if item.same else 'DIFFERS'}  {item.stage:<12} {item.kind}")
    if not document.same:
        raise typer.Exit(1)
