"""From products to shards: plan from the database in pages, and build each shard here or on a work pool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prefect import flow

from core.errors import RunStopped
from core.recipes import Recipe
from flows.artifacts import ProgressArtifact
from flows.build_assets import build_assets
from flows.pages import log
from flows.pool import WorkPool
from tasks.factory import FACTORY
from tasks.models import models_of
from tasks.plan import Plan, plan_pages


@dataclass(frozen=True)
class CatalogueBuild:
    """How many assets were to be built, and how many were there already."""

    planned: int
    reused: int
    stopped: str | None
    """Why the run was stopped before its end."""


@flow(name="build_catalogue", flow_run_name="build {run_id}", log_prints=False, validate_parameters=False)
def build_catalogue(
    catalogue_id: int,
    recipe: Recipe,
    run_id: str,
    limit: int | None = None,
    force: bool = False,
    shard_size: int = 50,
    deployment: str | None = None,
) -> CatalogueBuild:
    """Queue what must be built and build it shard by shard while planning goes on.

    Licences and weights are checked before anything is queued.
    """
    factory = FACTORY.get()
    models = models_of(factory, recipe)
    counts = {"planned": 0, "reused": 0}
    pages = plan_pages(factory, catalogue_id, recipe, models, run_id=run_id, limit=limit, force=force)
    shards = _shards(_counted(pages, counts), shard_size)
    progress = ProgressArtifact("nightly-progress", "Share of the assets planned so far whose shard came to an end")
    done = 0
    stopped: str | None = None
    try:
        for size in (
            _built_here(shards, force, run_id)
            if deployment is None
            else WorkPool(factory, deployment, run_id, force).build(shards)
        ):
            done += size
            progress(done, counts["planned"])
    except RunStopped as error:
        stopped = str(error)
    return CatalogueBuild(counts["planned"], counts["reused"], stopped)


def _built_here(shards: Iterable[list[str]], force: bool, run_id: str) -> Iterator[int]:
    for shard in shards:
        build_assets(shard, force, run_id)
        yield len(shard)


def _counted(pages: Iterable[Plan], counts: dict[str, int]) -> Iterator[str]:
    for page in pages:
        log("Planned: %d to build, %d already there.", len(page.build), len(page.reused))
        counts["planned"] += len(page.build)
        counts["reused"] += len(page.reused)
        yield from page.build


def _shards(asset_ids: Iterable[str], size: int) -> Iterator[list[str]]:
    shard: list[str] = []
    for asset_id in asset_ids:
        shard.append(asset_id)
        if len(shard) == size:
            yield shard
            shard = []
    if shard:
        yield shard
