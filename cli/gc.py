"""`meshmill gc`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import Json, open_house_for_people, put_json, sentences

app = typer.Typer(add_completion=False)


@app.command()
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; without it they are only counted.")] = False,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Also what only superseded assets were made of; their record stays.")
    ] = False,
    older_than: Annotated[float, typer.Option("--older-than", min=0, help="Hours since the object was stored.")] = 24,
    json: Json = False,
) -> None:
    """Find, and with --delete remove, stored objects that nothing refers to and files left half-written."""
    with sentences():
        from tasks.collect import collect

        house = open_house_for_people()
        found = collect(house, delete=delete, superseded=superseded, older_than=older_than * 3600)
        house.close()
        total = sum(entry.bytes for entry in (*found.orphans, *found.leftovers))
        if json:
            keys = [entry.key for entry in found.orphans]
            left = [entry.key for entry in found.leftovers]
            document = {"orphans": keys, "leftovers": left, "bytes": total, "kept": found.kept}
            put_json(document | {"deleted": found.deleted})
            return
        did = "removed" if delete else "found (nothing removed; --delete does)"
        counts = f"{len(found.orphans)} objects and {len(found.leftovers)} half-written files of {total:,} bytes"
        typer.echo(f"{counts} {did}; {found.kept} objects kept")
