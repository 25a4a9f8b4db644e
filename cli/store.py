"""`meshmill store`."""

from __future__ import annotations

from typing import Any

import typer

from cli.common import Json, put_json, sentences

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The object store.")


@app.callback()
def _store() -> None:
    """The object store."""


@app.command()
def create(json: Json = False) -> None:
    """Make the store's bucket, or folder, where it is missing; needs keys that may make buckets."""
    with sentences():
        from core.errors import StoreDown, TransientError
        from tasks.factory import open_store_of
        from tasks.settings import read_settings

        settings = read_settings()
        try:
            make_place(open_store_of(settings))
        except StoreDown as error:
            raise TransientError(str(error)) from error
        put_json({"store": settings.store}) if json else typer.echo(f"{settings.store} stands")


def make_place(store: Any) -> None:
    """Make a store's bucket where it is missing; a folder is there once the store is open. Raises StoreDown."""
    from storage.s3 import S3Store

    if isinstance(store, S3Store):
        store.ensure_bucket()
