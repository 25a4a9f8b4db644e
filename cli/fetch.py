"""`meshmill fetch`."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import InCatalogue, Json, find_asset, open_factory, put_json, sentences

app = typer.Typer(add_completion=False)


@app.command()
def fetch(
    asset: Annotated[str, typer.Argument(help="SKU, catalogue/SKU or asset id.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write, a folder, or - for stdout.")
    ] = None,
    link: Annotated[
        int | None,
        typer.Option(min=1, max=7 * 86_400, help="Print a link that opens without keys for so many seconds (S3 only)."),
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", help="Which artifact: glb, report, lod1.glb, …; variants: all colours in one GLB.")
    ] = "glb",
    catalogue: InCatalogue = None,
    json: Json = False,
) -> None:
    """Copy an asset's GLB, or another of its artifacts, out of the store.

    A SKU's published asset, while its successor is built or waits for a person, too; an asset id names any other."""
    with sentences():
        from core.errors import InputError, NotFound
        from core.whole_file import whole_file
        from db.assets import artifact
        from storage import copy_to_file, read_bytes
        from storage.s3 import S3Store

        if str(output) == "-" and json:
            raise InputError("The file itself goes to stdout with -o -: leave --json out.")
        if (output is None) == (link is None):
            raise InputError("Say either -o FILE or --link SECONDS.")
        factory = open_factory()
        asset_id = find_asset(factory, asset, catalogue, published=True)
        if kind == "variants":
            from tasks.variants import joined

            if output is None:
                raise InputError("A file of all colours is made when it is asked for: name it with -o FILE.")
            data = joined(factory, asset_id)
            if str(output) == "-":
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
                factory.close()
                return
            output = _named(factory.engine, asset_id, "variants.glb", output)
            with whole_file(output) as partial:
                partial.write_bytes(data)
            factory.close()
            made = {"asset_id": asset_id, "file": str(output), "bytes": len(data), "sha256": sha256(data).hexdigest()}
            put_json(made) if json else typer.echo(f"{output}  {len(data):,} bytes")
            return
        stored = artifact(factory.engine, asset_id, kind, published=asset_id != asset)
        if stored is None:
            raise NotFound(f"The asset {asset} has no {kind}: `meshmill show {asset}` lists what it has.")
        if output is None:
            if link is None or not isinstance(factory.store, S3Store):
                raise InputError("A folder hands out no links: copy the file with -o.")
            url = factory.store.link(stored.key, link)
            factory.close()
            put_json({"asset_id": asset_id, "link": url, "seconds": link}) if json else typer.echo(url)
            return
        if str(output) == "-":
            sys.stdout.buffer.write(read_bytes(factory.store, stored.key, stored.sha256))
            sys.stdout.buffer.flush()
            factory.close()
            return
        output = _named(factory.engine, asset_id, kind, output)
        copy_to_file(factory.store, stored.key, stored.sha256, output)
        factory.close()
        document = {"asset_id": asset_id, "file": str(output), "bytes": stored.bytes, "sha256": stored.sha256}
        put_json(document) if json else typer.echo(f"{output}  {stored.bytes:,} bytes")


def _named(engine: Any, asset_id: str, kind: str, output: Path) -> Path:
    """The file to write: in a folder it is named after the SKU."""
    from core.photos.names import file_name
    from db.assets import list_assets

    if not output.is_dir():
        return output
    (row,) = list_assets(engine, ids=[asset_id])
    return output / (file_name(row.sku) + (".glb" if kind == "glb" else f".{kind}" if "." in kind else f".{kind}.json"))
