"""`meshmill models`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.common import Json, open_house_for_people, put_json, sentences

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Model weights and their licences.")


@app.command("list")
def list_models(json: Json = False) -> None:
    """Weights that recipes may name: the shipped ones and the registered ones."""
    with sentences():
        from core.errors import MeshmillError
        from db.checkpoints import list_checkpoints
        from tasks.models import SHIPPED, registered_in, resolve_segmenter, resolve_views

        house = open_house_for_people()
        registered = registered_in(house.engine)
        rows: list[dict[str, Any]] = [vars(row) for row in list_checkpoints(house.engine)]
        names = {(row["name"], row["kind"]) for row in rows}
        shipped = [p.name for p in sorted(SHIPPED.glob("*")) if (p / "model_index.json").is_file()]
        for name in shipped:
            if (name, "views") not in names:
                rows.append(_shown(resolve_views(house.settings, name, registered)))
        with contextlib.suppress(MeshmillError):  # not shipped in this checkout: nothing to list
            rows.append(_shown(resolve_segmenter(house.settings, "starter", registered)))
        house.close()
        if json:
            put_json(rows)
            return
        from rich.console import Console
        from rich.table import Table

        table = Table("name", "kind", "sha256", "licence", "commercial", "path", box=None)
        for row in rows:
            may = {True: "yes", False: "no", None: "not on record"}[row["commercial"]]
            table.add_row(row["name"], row["kind"], row["sha256"][:12], row["licence"] or "", may, row["path"])
        Console().print(table)


def _shown(weights: Any) -> dict[str, Any]:
    return {
        "name": weights.name,
        "kind": weights.role,
        "sha256": weights.sha256,
        "path": weights.path,
        "revision": None,
        "licence": weights.licence,
        "commercial": weights.commercial,
        "attribution": weights.attribution,
    }


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The name that recipes use.")],
    path: Annotated[Path, typer.Argument(exists=True, help="A diffusers folder, an original .ckpt, or an ONNX file.")],
    licence: Annotated[str | None, typer.Option("--licence", help="SPDX name or URL.")] = None,
    commercial: Annotated[bool | None, typer.Option("--commercial/--non-commercial", help="What it allows.")] = None,
    attribution: Annotated[str | None, typer.Option("--attribution", help="Goes into asset.copyright.")] = None,
    territory: Annotated[str | None, typer.Option("--territory", help="Where it may be used.")] = None,
    revenue_cap: Annotated[str | None, typer.Option("--revenue-cap", help="Up to which revenue.")] = None,
    revision: Annotated[str | None, typer.Option("--revision")] = None,
    json: Json = False,
) -> None:
    """Register weights under a name, with their content hash and what their licence allows."""
    with sentences():
        from db.checkpoints import CheckpointRow, add_checkpoint
        from tasks.models import content_hash

        house = open_house_for_people()
        kind: Literal["segmenter", "views"] = "segmenter" if path.suffix == ".onnx" else "views"
        sha256 = content_hash(house.settings, path)
        row = CheckpointRow(name, kind, sha256, str(path.resolve()), revision, licence, commercial, attribution)
        add_checkpoint(house.engine, row, territory=territory, revenue_cap=revenue_cap)
        house.close()
        put_json(vars(row)) if json else typer.echo(f"{name} ({kind}) {sha256}")


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="A registered or shipped model, or a path.")], json: Json = False
) -> None:
    """Check that a model's files are the registered ones, load, hold finite values and compute; exit 1 where not."""
    with sentences():
        from dataclasses import asdict

        from core.zero123 import verify_checkpoint
        from tasks.models import registered_in, resolve_views

        house = open_house_for_people()
        weights = resolve_views(house.settings, name, registered_in(house.engine))
        house.close()
        report = verify_checkpoint(weights.path)
        document = asdict(report) | {"name": name, "path": weights.path, "content": weights.sha256}
        parts = ", ".join(f"{part} {count:,}" for part, count in report.parameters.items())
        put_json(document) if json else typer.echo(f"{name} is sound: {parts} parameters; content {weights.sha256}")
