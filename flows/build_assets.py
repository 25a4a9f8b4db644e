"""A shard of assets: a run of its own on a work pool, or part of a night in the night's own process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from prefect import flow, runtime

from core.errors import RunStopped
from db import assets
from flows.artifacts import ProgressArtifact, show_assets, show_sheet
from flows.links import asset_page
from flows.pages import log, shard_name, tag
from flows.stopped import end_of
from tasks.build import Shard
from tasks.factory import FACTORY, Factory, open_factory
from tasks.stage_task import run_as_task
from tasks.stopping import Breaker
from tasks.webhooks import notifying, open_or_notify


@flow(name="build_assets", flow_run_name=shard_name, log_prints=False, validate_parameters=False)
def build_assets(asset_ids: list[str], force: bool = False, run_id: str | None = None) -> dict[str, str]:
    """Build a shard's assets; asset id to final status. One asset's failure never stops the others.

    Raises :class:`RunStopped` where the run that the shard belongs to is stopped, here or elsewhere.

    Args:
        asset_ids: Assets that a night has planned.
        force: Build everything again.
        run_id: The run that they belong to: where it is stopped, the shard ends.
    """
    factory = FACTORY.get(None)
    if factory is not None:
        return build_shard(factory, asset_ids, force, run_id)
    factory = open_or_notify(lambda: open_factory(patient=True), run_id)
    token = FACTORY.set(factory)
    try:
        with notifying(factory, run_id):
            statuses = build_shard(factory, asset_ids, force, run_id)
        show_shard(factory, asset_ids)
    except RunStopped as error:
        return end_of(str(error))  # type: ignore[no-any-return]  # one of Prefect's states
    finally:
        FACTORY.reset(token)
        factory.close()
    return statuses


def show_shard(factory: Factory, asset_ids: Sequence[str]) -> None:
    """What a run of its own leaves on Prefect's pages; a shard inside a night is part of the night's."""
    rows = factory.retry_database(assets.list_assets, ids=asset_ids)
    if rows:
        tag(catalogue=rows[0].catalogue, recipe=rows[0].recipe, model=rows[0].model)
    for row in rows:
        if row.status in ("failed", "quarantined", "review"):
            log("%s: %s: %s", row.sku, row.status, row.reason)
    log("%s", ", ".join(f"{count} {status}" for status, count in Counter(row.status for row in rows).items()))
    show_assets(rows, "What this shard built", lambda asset_id: asset_page(factory.settings, asset_id))
    worst_first = sorted(rows, key=lambda row: row.score if row.score is not None else -1.0)
    show_sheet(factory, worst_first, factory.settings.home_path / "summaries" / f"{runtime.flow_run.id}.png")


def build_shard(
    factory: Factory, asset_ids: Sequence[str], force: bool = False, run_id: str | None = None
) -> dict[str, str]:
    """The assets, each stage as a task of this flow run."""
    progress = ProgressArtifact("assets-done", "Share of this shard's assets that came to an end")
    return Shard(factory, run_as_task, Breaker(factory, run_id), force=force).build(asset_ids, progress)
