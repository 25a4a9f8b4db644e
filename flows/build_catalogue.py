"""From products to shards: plan from the database in pages, then build each shard here or on a work pool."""

from __future__ import annotations

from prefect import flow

from core.recipes import Recipe
from flows.build_assets import build_assets
from tasks.house import HOUSE
from tasks.models import registered_in, resolve_models
from tasks.plan import Plan, plan_catalogue

AT_ONCE = 32
"""Shards in flight: flow runs wait for their workers, not thousands of them at once."""


@flow(name="build_catalogue", log_prints=False, validate_parameters=False)
def build_catalogue(
    catalogue_id: int,
    recipe: Recipe,
    limit: int | None = None,
    force: bool = False,
    shard_size: int = 50,
    deployment: str | None = None,
) -> Plan:
    """Queue what must be built and build it in shards. Licences and weights are checked before anything is queued."""
    house = HOUSE.get()
    models = resolve_models(house.settings, recipe, registered_in(house.engine))
    plan = plan_catalogue(house, catalogue_id, recipe, models, limit=limit, force=force)
    shards = [list(plan.build[start : start + shard_size]) for start in range(0, len(plan.build), shard_size)]
    if deployment is None:
        for shard in shards:
            build_assets(shard, force)
        return plan
    for start in range(0, len(shards), AT_ONCE):
        _send(shards[start : start + AT_ONCE], force, deployment)
    return plan


def _send(shards: list[list[str]], force: bool, deployment: str) -> None:
    """Hand shards to the work pool and wait for them. A shard whose worker died leaves its assets queued: the next
    run, or `meshmill retry --status queued`, builds them."""
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    from prefect.deployments import run_deployment

    def send(shard: list[str]) -> None:
        run_deployment(deployment, parameters={"asset_ids": shard, "force": force}, as_subflow=True)

    with ThreadPoolExecutor(len(shards)) as pool:
        for future in [pool.submit(copy_context().run, send, shard) for shard in shards]:
            future.result()
