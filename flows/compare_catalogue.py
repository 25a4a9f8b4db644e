"""Two recipes on a shop's own photos, beside the factory: nothing is published, no truth need be known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from core.errors import InputError
from core.recipes import Recipe
from db.assets import AssetReport
from db.checkpoints import add_checkpoint, list_checkpoints
from evaluation.comparison import Paired, paired
from flows.run import RunReport, run_folder
from tasks.compute import compute
from tasks.factory import Factory, Listener, NullListener, open_factory
from tasks.settings import Settings
from tasks.worker import Compute

T = TypeVar("T")

FIGURES = (
    ("score", 1),
    ("views_mask_iou", 1),
    ("views_psnr", 1),
    ("views_firmness", 1),
    ("seed_agreement", 1),
    ("input_mask_iou", 1),
    ("input_psnr", 1),
    ("seconds", -1),
)
"""What the gate measures of every asset, and whether more (1) or less (-1) is better."""


@dataclass(frozen=True)
class Sides(Generic[T]):
    """One thing of each recipe."""

    a: T
    b: T


@dataclass(frozen=True)
class CatalogueComparison:
    """What two recipes made of the same products."""

    statuses: Sides[dict[str, int]]
    figures: list[Paired]
    products: list[str]
    """SKUs of which both recipes made an asset: over them the figures go."""
    failed: int
    sheets: Sides[str | None]


def compare_on_catalogue(
    factory: Factory,
    photos: str,
    recipes: tuple[Recipe, Recipe],
    out: Path,
    limit: int | None = None,
    watching: Callable[[], AbstractContextManager[Listener]] = lambda: nullcontext(NullListener()),
    compute: Compute = compute,
) -> CatalogueComparison:
    """Build a catalogue by each of two recipes, with a database and a store of their own under ``out``.

    ``out/a`` and ``out/b`` get the files and a contact sheet. The factory lends its registered weights and its
    settings; ``watching`` opens what shows a run's progress. Raises :class:`InputError` where no product came out of
    both.
    """
    reports: list[RunReport] = []
    for name, recipe in zip("ab", recipes, strict=True):
        with watching() as listener:
            beside = _beside(factory, out / name / "home", listener, compute)
            try:
                reports.append(run_folder(beside, photos, recipe, out=out / name, limit=limit))
            finally:
                beside.close()
    first, second = reports
    rows = [{asset.sku: asset for asset in report.assets if asset.glb} for report in reports]
    both = sorted(rows[0].keys() & rows[1].keys())
    if not both:
        raise InputError("No product came out of both recipes: look at the runs above.")
    found = [
        (figure, sign, [(_value(rows[0][sku], figure), _value(rows[1][sku], figure)) for sku in both])
        for figure, sign in FIGURES
    ]
    figures = [made for figure, sign, pairs in found if (made := paired(figure, sign, _whole(pairs))) is not None]
    return CatalogueComparison(
        Sides(_statuses(first), _statuses(second)),
        figures,
        both,
        first.counts["failed"] + second.counts["failed"],
        Sides(first.sheet, second.sheet),
    )


def _beside(factory: Factory, home: Path, listener: Listener, compute: Compute) -> Factory:
    """A factory of its own under ``home`` that knows the same weights."""
    own = {"home": home, "database_url": None, "store_url": None, "webhook_url": None}
    settings: Settings = factory.settings.model_copy(update=own)
    beside = open_factory(settings, compute, listener)
    for row in factory.retry_database(list_checkpoints):
        add_checkpoint(beside.engine, row)
    return beside


def _value(asset: AssetReport, figure: str) -> float | None:
    value = getattr(asset, figure) if figure in ("score", "seconds") else asset.metrics.get(figure)
    return None if value is None else float(value)


def _whole(pairs: Sequence[tuple[float | None, float | None]]) -> list[tuple[float, float]]:
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _statuses(report: RunReport) -> dict[str, int]:
    return {status: count for status, count in report.counts.items() if count}
