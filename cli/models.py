"""`meshmill models`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.common import Json, open_factory, put_json, sentences
from core.errors import CheckpointError
from core.records import to_json

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Model weights and their licences.")


@app.command("list")
def list_models(json: Json = False) -> None:
    """Weights that recipes may name: the shipped ones and the registered ones."""
    with sentences():
        from core.errors import MeshmillError
        from db.checkpoints import list_checkpoints
        from tasks.models import SHIPPED, registered_in, resolve_segmenter, resolve_views

        factory = open_factory()
        registered = registered_in(factory.engine)
        rows: list[dict[str, Any]] = [vars(row) for row in list_checkpoints(factory.engine)]
        names = {(row["name"], row["kind"]) for row in rows}
        shipped = [p.name for p in sorted(SHIPPED.glob("*")) if (p / "model_index.json").is_file()]
        for name in shipped:
            if (name, "views") not in names:
                rows.append(_shown(resolve_views(factory.settings, name, registered)))
        with contextlib.suppress(MeshmillError):  # not shipped in this checkout: nothing to list
            rows.append(_shown(resolve_segmenter(factory.settings, "starter", registered)))
        factory.close()
        if json:
            put_json(to_json(rows))
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
    source: Annotated[
        str | None,
        typer.Argument(
            help="A diffusers folder, an original .ckpt, an ONNX file, or a hub id; default: the name is one."
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="SPDX name or URL.")] = None,
    commercial: Annotated[bool | None, typer.Option("--commercial/--non-commercial", help="What it allows.")] = None,
    attribution: Annotated[str | None, typer.Option("--attribution", help="Goes into asset.copyright.")] = None,
    territory: Annotated[str | None, typer.Option("--territory", help="Where it may be used.")] = None,
    revenue_cap: Annotated[str | None, typer.Option("--revenue-cap", help="Up to which revenue.")] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Of a hub id; else only kept on record.")] = None,
    json: Json = False,
) -> None:
    """Register weights under a name, with their content hash and what their licence allows.

    A hub id (`stabilityai/stable-zero123`) is fetched where there is a network; its commit goes on record.
    """
    with sentences():
        from core.licences import find_model
        from db.checkpoints import CheckpointRow, add_checkpoint
        from tasks.models import content_hash

        path, revision = _files_of(source or name, revision)
        factory = open_factory()
        kind: Literal["segmenter", "views"] = "segmenter" if path.suffix == ".onnx" else "views"
        sha256 = content_hash(factory.settings, path)
        known = find_model(path.name, kind) or find_model((source or name).partition("@")[0], kind)
        known = known or find_model(name, kind)
        if known is not None:  # what the register says, where nobody said otherwise
            licence, attribution = licence or known.licence, attribution or known.attribution
            commercial = known.commercial if commercial is None else commercial
            territory = territory or (known.terms.territory if known.terms else None)
            revenue_cap = revenue_cap or (known.terms.revenue_cap if known.terms else None)
        row = CheckpointRow(
            name, kind, sha256, str(path.resolve()), revision, licence, commercial, attribution, territory, revenue_cap
        )
        add_checkpoint(factory.engine, row)
        factory.close()
        put_json(vars(row)) if json else typer.echo(f"{name} ({kind}) {sha256}")


def _files_of(source: str, revision: str | None) -> tuple[Path, str | None]:
    """Where the weights lie and their revision, fetched from the hub where need be."""
    from core.errors import InputError
    from tasks.hub import fetch, is_hub_id

    path = Path(source).expanduser()
    if path.exists():
        return path, revision
    if not is_hub_id(source):
        raise InputError(f"There is no file or folder {source}, and it is no hub id such as owner/name.")
    found = fetch(f"{source}@{revision}" if revision and "@" not in source else source)
    return found.path, found.revision


@app.command()
def assets(
    name: Annotated[str, typer.Argument(help="A registered or shipped model, a path, or a content sha256.")],
    json: Json = False,
) -> None:
    """List every asset that a model had a part in: what to rebuild or withdraw when its licence or quality changes."""
    with sentences():
        import re

        from core.errors import NotFound
        from db.checkpoints import assets_touched, list_checkpoints
        from tasks.models import registered_in, resolve_segmenter, resolve_views

        factory = open_factory()
        hashes = {row.sha256 for row in list_checkpoints(factory.engine) if row.name == name}
        if re.fullmatch(r"[0-9a-f]{64}", name):
            hashes = {name}
        elif not hashes:
            registered = registered_in(factory.engine)
            for resolve in (resolve_views, resolve_segmenter):
                with contextlib.suppress(CheckpointError):
                    hashes.add(resolve(factory.settings, name, registered).sha256)
        if not hashes:
            raise NotFound(f"There is no model '{name}': `meshmill models list` shows them.")
        rows = [row for sha256 in sorted(hashes) for row in assets_touched(factory.engine, sha256)]
        factory.close()
        if json:
            put_json(to_json(rows))
            return
        for row in rows:
            typer.echo(f"{row.sku}  {row.asset_id}  {row.status}  {', '.join(row.stages)}")


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="A registered or shipped model, or a path.")], json: Json = False
) -> None:
    """Check that a model's files are the registered ones, load, hold finite values and compute; exit 1 where not."""
    with sentences():
        from dataclasses import asdict

        from core.zero123 import verify_checkpoint
        from tasks.models import registered_in, resolve_views

        factory = open_factory()
        weights = resolve_views(factory.settings, name, registered_in(factory.engine))
        factory.close()
        report = verify_checkpoint(weights.path)
        document = asdict(report) | {"name": name, "path": weights.path, "content": weights.sha256}
        parts = ", ".join(f"{part} {count:,}" for part, count in report.parameters.items())
        put_json(document) if json else typer.echo(f"{name} is sound: {parts} parameters; content {weights.sha256}")
