"""`meshmill run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import (
    First,
    Json,
    MaxCost,
    NoGroup,
    Overrides,
    PhotosFrom,
    RecipeName,
    Strict,
    Until,
    end,
    open_factory,
    put_json,
    sentences,
)

app = typer.Typer(add_completion=False)


@app.command()
def run(
    photos: PhotosFrom,
    out: Annotated[Path | None, typer.Option("--out", help="Where finished GLBs also stand as <sku>.glb.")] = None,
    recipe: RecipeName = "starter",
    set_: Overrides = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Build at most so many products.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Build everything again.")] = False,
    no_group: NoGroup = False,
    allow_removal: Annotated[
        bool, typer.Option("--allow-removal", help="Go on where more than a fifth of the products is gone.")
    ] = False,
    strict: Strict = False,
    first: First = None,
    max_cost: MaxCost = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """Ingest a folder of product photos and build its assets to the end.

    Exit 0: every product is finished, in review or quarantined with its reason. 1: some failed, or wait for the next
    run because their photo cannot be read now. 2: wrong usage, no photo found, or a source that lost its products.
    """
    with sentences():
        from cli.progress import watch
        from core.recipes import load_recipe
        from flows.run import run_folder
        from tasks.night import night_of
        from tasks.webhooks import open_or_notify

        loaded, night = load_recipe(recipe, set_ or []), night_of(first or (), max_cost, until)
        with watch(quiet=json) as listener:
            factory = open_or_notify(lambda: open_factory(listener))
            try:
                document = run_folder(
                    factory,
                    photos,
                    loaded,
                    out=out,
                    limit=limit,
                    force=force,
                    group=not no_group,
                    allow_removal=allow_removal,
                    night=night,
                )
            finally:
                factory.close()
        if json:
            put_json(document)
        else:
            from cli.tables import print_run

            print_run(document, out)
    end(document, strict)
