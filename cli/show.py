"""`meshmill show`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from cli.common import InCatalogue, Json, find_asset, open_factory, put_json, sentences, spoken
from core.photos.names import display_name
from core.records import to_json

if TYPE_CHECKING:
    from db.lineage import Lineage, ShotOutcome

app = typer.Typer(add_completion=False)


@app.command()
def show(
    asset: Annotated[str, typer.Argument(help="SKU, catalogue/SKU or asset id.")],
    catalogue: InCatalogue = None,
    json: Json = False,
) -> None:
    """How an asset was made: its lineage tree."""
    with sentences():
        from db.lineage import lineage

        factory = open_factory()
        record = lineage(factory.engine, find_asset(factory, asset, catalogue))
        factory.close()
        if json:
            put_json(to_json(record))
        else:
            said = spoken(factory, {"reason": record.asset.reason, "reasons": record.asset.reasons})
            _print_tree(replace(record, asset=replace(record.asset, **said)))


def _print_tree(record: Lineage) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.tree import Tree

    row = record.asset
    head = f"[bold]{escape(row.sku)}[/] {row.status}  {row.asset_id}"
    tree = Tree(head + (f"  {escape(row.reason)}" if row.reason else ""))
    photo = record.photo
    tree.add(f"photo {photo.sha256[:12]}  {escape(photo.uri)}  licence {photo.licence or 'not on record'}")
    for shot in record.shots if len(record.shots) > 1 else []:
        tree.add(escape(_shot(shot)))
    for reason in row.reasons[0 if row.status == "finished" else 1 :]:  # the first stands behind the SKU
        tree.add(escape(f"{reason['severity']}: {reason['message']} {reason['action']}".rstrip()))
    tree.add(f"recipe {escape(row.recipe)} {row.recipe_hash[:12]}  model {escape(row.model)}")
    for stage in record.stages:
        took = f"{stage.seconds:.1f} s" if stage.seconds is not None else ""
        how = "reused" if stage.reused else f"attempt {stage.attempt}"
        if stage.ladder:
            how += f", {stage.ladder} down the memory ladder"
        branch = tree.add(f"[bold]{stage.part}[/] v{stage.version}  {took}  {stage.device or ''}  {how}")
        reads = ", ".join(f"{i.role} {i.sha256[:12]}" for i in stage.inputs)
        branch.add(f"from {reads}  key {stage.key[:12]}")
        for outcome in (stage.figures or {}).get("photos", []) if stage.stage == "align" else []:
            branch.add(escape(_photo(outcome)))
        for made in stage.artifacts:
            branch.add(f"{escape(made.kind)} {made.sha256[:12]}  {made.bytes:,} bytes  {escape(made.uri)}")
    Console().print(tree)


def _shot(outcome: ShotOutcome) -> str:
    """A photo of the product: its name, what it shows, from where, what for."""
    shot = outcome.shot
    name = display_name(unquote(shot.uri.rsplit("/", 1)[-1]))
    azimuth = "" if shot.azimuth is None else f" from {shot.azimuth:.0f}°"
    became = ("used" if outcome.shapes else "used for colours") if outcome.used else "not used"
    return f"shot {name}: {shot.role or 'unknown'}{azimuth}, {became}. {outcome.said}".rstrip()


def _photo(outcome: Mapping[str, Any]) -> str:
    """What became of one of several photos."""
    who = f"photo {outcome['name'][:12]} {outcome['role']}"
    if not outcome["used"]:
        return f"{who}: not used. {outcome['why']}"
    note = f". {outcome['note']}" if outcome.get("note") else ""
    seen = f"from {outcome['azimuth']:.0f}° at {outcome['elevation']:.0f}° height"
    if not outcome.get("shapes", True):
        return f"{who}: used for colours, {seen}{note}"
    return f"{who}: used, {seen}, fits {outcome['confidence']:.0%}{note}"
