"""Meshmill from Python: build one photo or a folder of them, and read what is finished.

::

    import meshmill

    mug = meshmill.build_photo("mug.jpg", out="models")
    print(mug.status, mug.score, mug.file)
    for asset in meshmill.finished_assets(sku="MUG-*"):
        print(asset.sku, asset.glb_uri, asset.faces)

The same code as ``meshmill run`` and the same database, store and settings (``MESHMILL_*``,
docs/reference/settings.md). Errors are those of :mod:`core.errors`; each one's text is a sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.assets import AssetReport
    from db.finished import FinishedAsset

__all__ = ["BuiltAsset", "FinishedAsset", "Run", "build_folder", "build_photo", "finished_assets"]


@dataclass(frozen=True)
class BuiltAsset:
    """What became of one product."""

    catalogue: str
    sku: str
    asset_id: str
    status: str
    """``finished``, ``review`` (made, a person decides), ``failed`` or ``quarantined`` (its photo cannot be used)."""
    reason: str | None
    """What weighs most, in one sentence; None for a finished asset that has nothing to say."""
    score: float | None
    """What the gate believes of the asset, 0 to 1; None where nothing was made."""
    glb: str | None
    """Where the GLB stands in the store, as a URI; None where nothing was made."""
    file: Path | None
    """The GLB in ``out``; None without ``out`` and where nothing was made."""


_SAID = tuple(field.name for field in fields(BuiltAsset) if field.name != "file")


@dataclass(frozen=True)
class Run:
    """What a run did, and every product's asset: built, or reused since nothing changed."""

    run_id: str
    counts: dict[str, int]
    """Products by what became of them, as in ``meshmill run --json``."""
    seconds: float
    assets: tuple[BuiltAsset, ...]
    stopped: str | None = None
    """Why it ended before its time, in one sentence; what it did not try stays queued for the next run."""


def build_folder(
    photos: str | Path, *, out: str | Path | None = None, recipe: str = "starter", settings: Sequence[str] = ()
) -> Run:
    """Build what is new in a folder, a manifest, a ZIP file or ``s3://bucket/prefix``; as ``meshmill run``.

    ``out``: a folder that gets ``<sku>.glb`` of finished assets and ``review/<sku>.glb`` of those that wait for a
    person. ``recipe``: a name or a JSON file. ``settings``: overrides such as ``"finish.faces=10000"``.
    Raises :class:`core.errors.MeshmillError`.
    """
    from core.recipes import load_recipe
    from flows.run import delivered_names, delivered_path, run_folder
    from tasks.factory import open_factory

    loaded = load_recipe(recipe, list(settings))
    folder = None if out is None else Path(out)
    factory = open_factory()
    try:
        report = run_folder(factory, str(photos), loaded, out=folder)
    finally:
        factory.close()
    names = delivered_names([row.sku for row in report.assets])

    def built(row: AssetReport) -> BuiltAsset:
        file = None
        if folder is not None and row.status in ("finished", "review"):
            file = delivered_path(folder, names[row.sku], row.status)
        return BuiltAsset(**{name: getattr(row, name) for name in _SAID}, file=file)

    assets = tuple(map(built, report.assets))
    return Run(report.run_id, report.counts, report.seconds, assets, report.stopped)


def build_photo(
    photo: str | Path, *, out: str | Path | None = None, recipe: str = "starter", settings: Sequence[str] = ()
) -> BuiltAsset:
    """Build the product of one photo; arguments and errors as :func:`build_folder`."""
    from core.errors import InputError

    run = build_folder(photo, out=out, recipe=recipe, settings=settings)
    if len(run.assets) != 1:
        raise InputError(f"{photo} is not the photo of one product: {len(run.assets)} were found.")
    return run.assets[0]


def finished_assets(*, catalogue: str | None = None, sku: str | None = None) -> list[FinishedAsset]:
    """Published assets by catalogue and SKU: all, those of a catalogue's name, those of SKUs that a glob matches.

    Raises :class:`core.errors.MeshmillError`.
    """
    from db.finished import finished_assets as read
    from tasks.factory import open_factory

    factory = open_factory()
    try:
        return list(read(factory.engine, catalogue=catalogue, sku=sku))
    finally:
        factory.close()
