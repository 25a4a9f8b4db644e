"""`meshmill fsck`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import Json, open_factory, put_json, sentences
from core.records import to_json

app = typer.Typer(add_completion=False)

SHOWN = 50
"""Objects that people are told by name."""


@app.command()
def fsck(
    repair: Annotated[
        bool, typer.Option("--repair", help="Make what is gone or damaged again, from its photo or its stage.")
    ] = False,
    sample: Annotated[
        float | None,
        typer.Option(
            "--sample", min=0.0001, max=1, help="Check only this share, from .0001 to 1: each day the next part of all."
        ),
    ] = None,
    really: Annotated[
        bool, typer.Option("--really", help="Repair although the store itself seems to be gone.")
    ] = False,
    json: Json = False,
) -> None:
    """Check that every object that is referred to stands in the store, byte for byte.

    Exit 0: all are whole, or were repaired. 1: some are missing, damaged or cannot be read. 2: wrong usage, or the
    store itself seems to be gone, and nothing was repaired.
    """
    with sentences():
        from db.objects import Window
        from tasks.fsck import fsck, window_of_the_night

        factory = open_factory()
        try:
            window = Window() if sample is None else window_of_the_night(sample)
            found = fsck(factory, repair=repair, window=window, really=really)
        finally:
            factory.close()
        document = to_json(found.report(repair))
        if json:
            put_json(document)
        else:
            names = ("missing", "damaged", "unknown", "repaired", "unrepairable", "unpublished")
            figures = ", ".join(f"{document[name]:,} {name}" for name in names)
            typer.echo(f"{found.checked:,} objects checked: {figures}")
            for faulty in found.left[:SHOWN]:
                skus = ", ".join(dict.fromkeys(f"{user.catalogue}/{user.sku}" for user in faulty.assets)) or "no asset"
                typer.echo(f"{faulty.state}  {faulty.kind} of {skus}  {faulty.key}  {faulty.sentence or ''}".rstrip())
            if found.left and not repair:
                typer.echo("nothing was repaired; --repair does")
    if found.left:
        raise typer.Exit(1)
