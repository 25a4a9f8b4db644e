"""From products to shards: plan from the database in pages, and build each shard here or on a work pool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prefect import flow

from core.recipes import Recipe
from db.runs import unsettled
from flows.artifacts import ProgressArtifact
from flows.build_assets import build_assets
from tasks.house import HOUSE, House
from tasks.models import models_of
from tasks.plan import Plan, plan_pages

AT_ONCE = 32
"""Shards in flight: flow runs wait for their workers, not thousands of them at once."""

TRIES = 3
"""How often a shard goes out: its worker may be killed, and what it left unfinished goes to another one."""


@flow(name="build_catalogue", log_prints=False, validate_parameters=False)
def build_catalogue(
    catalogue_id: int,
    recipe: Recipe,
    run_id: str,
    limit: int | None = None,
    force: bool = False,
    shard_size: int = 50,
    deployment: str | None = None,
) -> dict[str, int]:
    """Queue what must be built and build it shard by shard while planning goes on; how many were planned and reused.

    Licences and weights are checked before anything is queued.
    """
    house = HOUSE.get()
    models = models_of(house, recipe)
    counts = {"planned": 0, "reused": 0}
    pages = plan_pages(house, catalogue_id, recipe, models, run_id=run_id, limit=limit, force=force)
    shards = _shards(_counted(pages, counts), shard_size)
    progress = ProgressArtifact("nightly-progress", "Share of the assets planned so far whose shard came to an end")
    done = 0
    for size in _built_here(shards, force) if deployment is None else _sent(house, shards, force, deployment):
        done += size
        progress(done, counts["planned"])
    return counts


def _built_here(shards: Iterable[list[str]], force: bool) -> Iterator[int]:
    for shard in shards:
        build_assets(shard, force)
        yield len(shard)


def _counted(pages: Iterable[Plan], counts: dict[str, int]) -> Iterator[str]:
    for page in pages:
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


def _sent(house: House, shards: Iterable[list[str]], force: bool, deployment: str) -> Iterator[int]:
    """Hand shards to the work pool and wait for them, a bounded number at a time; how many assets each had.

    Whether a shard is done is asked of the database, never of Prefect. What is still unfinished after some tries stays
    queued: the next run takes it up.
    """
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
    from contextvars import copy_context

    from prefect.deployments import run_deployment

    def send(shard: list[str]) -> int:
        left = shard
        for _ in range(TRIES):
            parameters: dict[str, Any] = {"asset_ids": left, "force": force}
            run_deployment(deployment, parameters=parameters, as_subflow=True)
            left = house.ask(unsettled, left)
            if not left:
                break
        return len(shard)

    with ThreadPoolExecutor(AT_ONCE, "shard") as pool:
        pending: set[Future[int]] = set()
        for shard in shards:
            pending.add(pool.submit(copy_context().run, send, shard))
            if len(pending) >= AT_ONCE:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        for future in as_completed(pending):
            yield future.result()
