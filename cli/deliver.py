"""`meshmill deliver`: what is published, handed over to a sales channel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import Json, open_factory, put_json, say, sentences
from core.records import to_json

if TYPE_CHECKING:
    from tasks.deliver import Delivery

app = typer.Typer(add_completion=False)

DeliveryUrl = Annotated[
    str | None,
    typer.Option("--url", envvar="MESHMILL_DELIVERY_URL", help="Where the delivered folder will stand on the web."),
]


@app.command()
def deliver(
    out: Annotated[Path, typer.Option("-o", "--output", help="The folder to fill.")],
    channel: Annotated[str, typer.Option("--for", help="shopify, google, amazon or plain.")] = "plain",
    skus: Annotated[list[str] | None, typer.Argument(help="Only these SKUs, globs: `shoe-*`.")] = None,
    catalogue: Annotated[str | None, typer.Option("--catalogue", help="Only of this catalogue, by name.")] = None,
    url: DeliveryUrl = None,
    json: Json = False,
) -> None:
    """Hand over what is published: a folder a product with GLB, USDZ, poster, alt text and size, verified against the
    channel's budgets, and the channel's table. Exit 1 where a product could not be handed over."""
    with sentences():
        from tasks import deliver as delivering

        factory = open_factory()
        try:
            done = delivering.deliver(factory, channel, out, url=url, catalogue=catalogue, skus=skus or ())
        finally:
            factory.close()
    if json:
        put_json(to_json(done))
    else:
        tell_delivery(done)
    if done.refused:
        raise typer.Exit(1)


def tell_delivery(done: Delivery) -> None:
    """What was handed over, for people."""
    for one in done.refused:
        say(f"{one.sku} is not delivered: {one.reason}")
    for record in done.products:
        for change in record.changes:
            say(f"{record.sku}: {change}")
    say(f"{len(done.products)} products for {done.channel} in {done.folder}, table {done.table}")
