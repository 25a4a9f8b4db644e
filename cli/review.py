"""`meshmill review`: a person's decision about an asset, kept with who, when and why."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import Json, open_house_for_people, put_json, say, sentences

app = typer.Typer(add_completion=False)


@app.command()
def review(
    name: Annotated[str, typer.Argument(help="SKU or asset id.")],
    approve: Annotated[bool, typer.Option("--approve", help="Publish the asset.")] = False,
    reject: Annotated[
        bool, typer.Option("--reject", help="Do not publish it; `meshmill retry` can build it again.")
    ] = False,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    reviewer: Annotated[str | None, typer.Option("--by", help="Who decides; default: the user's name.")] = None,
    json: Json = False,
) -> None:
    """Approve or reject an asset that waits for a person."""
    with sentences():
        import getpass

        from core.errors import InputError
        from db import assets

        if approve == reject:
            raise InputError("Say either --approve or --reject.")
        decision = "approve" if approve else "reject"
        house = open_house_for_people()
        try:
            asset_id = assets.resolve(house.engine, name)
            if asset_id is None:
                raise LookupError(f"There is no asset or SKU '{name}'.")
            before = assets.lineage(house.engine, asset_id)["status"]
            if before not in ("finished", "review", "failed"):
                raise InputError(f"Only a built asset can be reviewed; this one is {before}.")
            if approve and assets.artifact(house.engine, asset_id) is None:
                raise InputError("This asset has no GLB: nothing can be approved. Use `meshmill retry`.")
            assets.record_review(house.engine, asset_id, decision, note, reviewer or getpass.getuser())
            row = assets.lineage(house.engine, asset_id)
        finally:
            house.close()
    document = {"asset_id": asset_id, "sku": row["sku"], "status": row["status"], "review": row["reviews"][-1]}
    if json:
        put_json(document)
    else:
        say(f"{row['sku']}: {before} -> {row['status']}")
