"""`meshmill run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    say,
    sentences,
)
from cli.deliver import DeliveryUrl, tell_delivery
from core.records import to_json

if TYPE_CHECKING:
    from tasks.deliver import Delivery

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
    deliver: Annotated[
        str | None,
        typer.Option("--deliver", help="Hand over to a channel, below --out: shopify, google, amazon or plain."),
    ] = None,
    url: DeliveryUrl = None,
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

        if deliver is not None:
            _check(deliver, out, url)
        loaded, night = load_recipe(recipe, set_ or []), night_of(first or (), max_cost, until)
        with watch(quiet=json) as listener:
            factory = open_or_notify(lambda: open_factory(listener))
            try:
                report = run_folder(
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
                document = to_json(report)
                if deliver is not None and out is not None and report.assets:
                    done = _deliver(factory, deliver, out, url, report.assets[0].catalogue)
                    document["delivery"] = to_json(done)
            finally:
                factory.close()
        if json:
            put_json(document)
        else:
            from cli.tables import print_run

            print_run(document, out)
    end(document, strict)


def _check(channel: str, out: Path | None, url: str | None) -> None:
    """Raises :class:`InputError` before anything is built."""
    from core.errors import InputError
    from core.mesh.channels import find_channel

    if out is None:
        raise InputError("--deliver fills a folder below --out: say both.")
    if find_channel(channel).wants_links and not url:
        raise InputError(
            f"A table for {channel} names addresses: say --url, where {out / channel} will stand on the web."
        )


def _deliver(factory: Any, channel: str, out: Path, url: str | None, catalogue: str) -> Delivery | None:
    """Hand over what is published of the run's catalogue; None where nothing is."""
    from core.errors import NotFound
    from tasks.deliver import deliver

    try:
        done = deliver(factory, channel, out / channel, url=url, catalogue=catalogue)
    except NotFound as error:
        say(str(error))
        return None
    tell_delivery(done)
    return done
