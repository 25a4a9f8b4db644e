"""`meshmill fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import InCatalogue, Json, find_asset, open_house_for_people, put_json, sentences

app = typer.Typer(add_completion=False)


@app.command()
def fetch(
    asset: Annotated[str, typer.Argument(help="SKU, catalogue/SKU or asset id.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    kind: Annotated[str, typer.Option("--kind", help="Which artifact: glb, report, lod1.glb, …")] = "glb",
    catalogue: InCatalogue = None,
    json: Json = False,
) -> None:
    """Copy an asset's GLB, or another of its artifacts, out of the store."""
    with sentences():
        from core.errors import NotFound
        from db.assets import artifact
        from storage import copy_to_file

        house = open_house_for_people()
        asset_id = find_asset(house, asset, catalogue)
        stored = artifact(house.engine, asset_id, kind)
        if stored is None:
            raise NotFound(f"The asset {asset} has no {kind}: `meshmill show {asset}` lists what it has.")
        copy_to_file(house.store, stored["key"], stored["sha256"], output)
        house.close()
        document = {"asset_id": asset_id, "file": str(output), "bytes": stored["bytes"], "sha256": stored["sha256"]}
        put_json(document) if json else typer.echo(f"{output}  {stored['bytes']:,} bytes")
