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
from tasks.house import HOUSE, House, open_house
from tasks.stage_task import run_as_task
from tasks.stopping import Breaker
from tasks.webhooks import opened_or_told, told


@flow(name="build_assets", flow_run_name=shard_name, log_prints=False, validate_parameters=False)
def build_assets(asset_ids: list[str], force: bool = False, run_id: str | None = None) -> dict[str, str]:
    """Build a shard's assets; asset id to final status. One asset's failure never stops the others.

    Raises :class:`RunStopped` where the run that the shard belongs to is stopped, here or elsewhere.
    """
    house = HOUSE.get(None)
    if house is not None:
        return build_shard(house, asset_ids, force, run_id)
    house = opened_or_told(lambda: open_house(patient=True), run_id)
    token = HOUSE.set(house)
    try:
        with told(house, run_id):
            statuses = build_shard(house, asset_ids, force, run_id)
        show_shard(house, asset_ids)
    except RunStopped as error:
        return end_of(str(error))  # type: ignore[no-any-return]  # one of Prefect's states
    finally:
        HOUSE.reset(token)
        house.close()
    return statuses


def show_shard(house: House, asset_ids: Sequence[str]) -> None:
    """What a run of its own leaves on Prefect's pages; a shard inside a night is part of the night's."""
    rows = house.ask(assets.list_assets, ids=asset_ids)
    if rows:
        tag(catalogue=rows[0].catalogue, recipe=rows[0].recipe, model=rows[0].model)
    for row in rows:
        if row.status in ("failed", "quarantined", "review"):
            log("%s: %s: %s", row.sku, row.status, row.reason)
    log("%s", ", ".join(f"{count} {status}" for status, count in Counter(row.status for row in rows).items()))
    show_assets(rows, "What this shard built", lambda asset_id: asset_page(house.settings, asset_id))
    worst_first = sorted(rows, key=lambda row: row.score if row.score is not None else -1.0)
    show_sheet(house, worst_first, house.settings.home_path / "summaries" / f"{runtime.flow_run.id}.png")


def build_shard(
    house: House, asset_ids: Sequence[str], force: bool = False, run_id: str | None = None
) -> dict[str, str]:
    """The assets, each stage as a task of this flow run."""
    progress = ProgressArtifact("assets-done", "Share of this shard's assets that came to an end")
    return Shard(house, run_as_task, Breaker(house, run_id), force=force).build(asset_ids, progress)
