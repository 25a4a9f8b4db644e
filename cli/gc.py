"""`meshmill gc`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import Json, open_factory, put_json, sentences

app = typer.Typer(add_completion=False)


@app.command()
def gc(
    delete: Annotated[
        bool,
        typer.Option(
            "--delete", help="Mark them, and remove what an earlier `gc --delete` marked; without it they are counted."
        ),
    ] = False,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Also what only superseded assets were made of; their record stays.")
    ] = False,
    older_than: Annotated[float, typer.Option("--older-than", min=0, help="Hours since the object was stored.")] = 24,
    really: Annotated[
        bool, typer.Option("--really", help="Go on where more than a fifth of the objects would go.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="No other database uses this store any more: it is this one's from now on.")
    ] = False,
    json: Json = False,
) -> None:
    """Find, and with --delete remove, stored objects that nothing refers to and files left half-written.

    An object goes in two steps, so that no running stage loses what it has just stored: one `gc --delete` marks it, a
    later one removes it once the longest stage would be over (MESHMILL_STAGE_TIMEOUT and some minutes).
    """
    with sentences():
        from tasks.collect import collect, grace

        factory = open_factory()
        try:
            found = collect(
                factory,
                delete=delete,
                superseded=superseded,
                older_than=older_than * 3600,
                really=really,
                take_over=adopt,
            )
        finally:
            factory.close()
        total = sum(entry.bytes for entry in (*found.orphans, *found.leftovers))
        if json:
            keys, gone = [[entry.key for entry in entries] for entries in (found.orphans, found.deleted)]
            left = [entry.key for entry in found.leftovers]
            put_json(
                {"orphans": keys, "leftovers": left, "bytes": total, "kept": found.kept}
                | {"marked": found.marked, "deleted": gone}
            )
            return
        objects = f"{len(found.orphans)} objects that nothing refers to, {len(found.leftovers)} half-written files"
        typer.echo(f"{objects}, {total:,} bytes; {found.kept} objects kept")
        if delete:
            later = grace(factory.settings) / 60
            typer.echo(
                f"{len(found.deleted)} objects and all half-written files removed, {found.marked} newly marked: a "
                f"`meshmill gc --delete` in {later:.0f} minutes or later removes those"
            )
        else:
            typer.echo("nothing removed; --delete does")
