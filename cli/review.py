"""`meshmill review`: a person's decision about an asset, with who, when and why; and a gate fitted to the decisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import InCatalogue, Json, find_asset, open_factory, put_json, say, sentences
from core.records import to_json

if TYPE_CHECKING:
    from core.quality.params import QualityParams
    from db.lineage import ReviewRecord

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class ReviewOutcome:
    """An asset after a person's decision."""

    asset_id: str
    sku: str
    before: str
    status: str
    review: ReviewRecord


@dataclass(frozen=True)
class Queued:
    """An asset that is built again as a variant."""

    asset_id: str
    sku: str
    variant_of: str
    status: str


@dataclass(frozen=True)
class Calibrated:
    """A recipe whose gate follows decisions."""

    recipe: str
    decisions: int
    quality: QualityParams


@app.command()
def review(
    name: Annotated[str | None, typer.Argument(help="SKU, catalogue/SKU or asset id.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Publish the asset.")] = False,
    reject: Annotated[
        bool, typer.Option("--reject", help="Do not publish it; `meshmill retry` can build it again.")
    ] = False,
    better_photo: Annotated[
        bool, typer.Option("--better-photo", help="Ask for a better photo; a new one is built by itself.")
    ] = False,
    variant_of: Annotated[
        str | None,
        typer.Option(
            "--variant-of", help='It is that SKU in another colour; "": as the manifest says. Queues it again.'
        ),
    ] = None,
    catalogue: InCatalogue = None,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    reviewer: Annotated[str | None, typer.Option("--by", help="Who decides; default: the user's name.")] = None,
    calibrate: Annotated[
        Path | None, typer.Option("--calibrate", help="Write a recipe file whose gate follows the decisions so far.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="With --calibrate: the recipe to start from.")] = "starter",
    json: Json = False,
) -> None:
    """Approve or reject an asset, ask for a better photo of it, or fit the gate to the decisions so far."""
    with sentences():
        if calibrate is not None:
            if name is not None or approve or reject or better_photo:
                from core.errors import InputError

                raise InputError("--calibrate takes no asset and no decision.")
            fitted = _calibrate(recipe, calibrate)
            document: object = fitted
            text = f"{fitted.decisions} decisions: use `meshmill run PHOTOS --recipe {calibrate}`"
        elif variant_of is not None:
            if approve or reject or better_photo:
                from core.errors import InputError

                raise InputError("--variant-of takes no decision: say that in another command.")
            queued = _say_variant(name, catalogue, variant_of, reviewer)
            document = queued
            text = f"{queued.sku} is queued: the next run, or `meshmill retry --status queued`, builds it."
        else:
            chosen = {"approve": approve, "reject": reject, "better-photo": better_photo}
            decided = _decide(name, catalogue, [decision for decision, yes in chosen.items() if yes], note, reviewer)
            document = decided
            text = f"{decided.sku}: {decided.before} -> {decided.status}"
    if json:
        put_json(to_json(document))
    else:
        say(text)


def _decide(
    name: str | None, catalogue: str | None, chosen: list[str], note: str | None, reviewer: str | None
) -> ReviewOutcome:
    import getpass
    from functools import partial

    from core.errors import InputError
    from db.lineage import lineage
    from tasks.decide import decide
    from tasks.webhooks import post

    if name is None:
        raise InputError("Say which asset: a SKU or an asset id.")
    if len(chosen) != 1:
        raise InputError("Say one of --approve, --reject and --better-photo.")
    factory = open_factory()
    try:
        asset_id = find_asset(factory, name, catalogue)
        tell = partial(post, factory.settings, tries=2)  # a person waits
        decided = decide(factory.engine, asset_id, chosen[0], note, reviewer or getpass.getuser(), tell)
        row = lineage(factory.engine, asset_id)
    finally:
        factory.close()
    return ReviewOutcome(asset_id, row.asset.sku, decided.before, row.asset.status, row.reviews[-1])


def _say_variant(name: str | None, catalogue: str | None, base: str, by: str | None) -> Queued:
    import getpass

    from core.errors import InputError
    from db.lineage import lineage
    from tasks.mending import next_version
    from tasks.variants import say_variant

    if name is None:
        raise InputError("Say which asset: a SKU or an asset id.")
    factory = open_factory()
    try:
        asset_id = find_asset(factory, name, catalogue)
        say_variant(factory, asset_id, base, by or getpass.getuser())
        asset_id = next_version(factory, asset_id)
        row = lineage(factory.engine, asset_id)
    finally:
        factory.close()
    return Queued(asset_id, row.asset.sku, base, row.asset.status)


def _calibrate(recipe: str, out: Path) -> Calibrated:
    from core.photos.names import display_name
    from core.quality.calibration import Decision, fit, shipped_examples
    from core.recipes import load_recipe
    from db.gallery import decisions

    factory = open_factory()
    try:
        said = [Decision(metrics, approved) for approved, metrics in decisions(factory.engine)]
    finally:
        factory.close()
    chosen = load_recipe(recipe)
    fitted = chosen.model_copy(
        update={"name": display_name(out.stem), "quality": fit(shipped_examples(), said, chosen.quality)}
    )
    out.write_text(fitted.model_dump_json(indent=1) + "\n", "utf-8")
    return Calibrated(str(out), len(said), fitted.quality)
