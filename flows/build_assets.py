"""A shard: its assets one after the other through the model stages, their finishing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

from prefect import flow, runtime

from core.errors import MeshmillError
from db import assets
from flows.artifacts import ProgressArtifact, show_assets, show_sheet
from tasks.build import Progressing, advance, begin_asset, end_asset, fail_asset, request
from tasks.failures import TRANSIENT
from tasks.house import HOUSE, House, open_house
from tasks.models import Weights, models_of
from tasks.stage_task import run_as_task
from tasks.stages import STAGES
from tasks.webhooks import told

MODEL_STAGES = tuple(stage.name for stage in STAGES if stage.weights is not None)
FINISH_STAGES = tuple(stage.name for stage in STAGES if stage.weights is None)


@flow(name="build_assets", log_prints=False, validate_parameters=False)
def build_assets(asset_ids: list[str], force: bool = False) -> dict[str, str]:
    """Build a shard's assets; asset id to final status. One asset's failure never stops the others."""
    house = HOUSE.get(None)
    if house is not None:
        return build_shard(house, asset_ids, force)
    house = open_house(patient=True)
    token = HOUSE.set(house)
    try:
        with told(house):
            statuses = build_shard(house, asset_ids, force)
        show_shard(house, asset_ids)
        return statuses
    finally:
        HOUSE.reset(token)
        house.close()


def show_shard(house: House, asset_ids: Sequence[str]) -> None:
    """What a run of its own leaves on Prefect's pages; a shard inside a night is part of the night's."""
    rows = house.ask(assets.list_assets, ids=asset_ids)
    show_assets(rows, "What this shard built")
    worst_first = sorted(rows, key=lambda row: row.score if row.score is not None else -1.0)
    show_sheet(house, worst_first, house.settings.home_path / "summaries" / f"{runtime.flow_run.id}.png")


def build_shard(house: House, asset_ids: Sequence[str], force: bool = False) -> dict[str, str]:
    """The model's stages here, mesh and finish in threads that wait for processes of their own."""
    lanes = house.settings.finish_workers
    statuses: dict[str, str] = {}
    progress = ProgressArtifact("assets-done", "Share of this shard's assets that came to an end")
    with ThreadPoolExecutor(lanes, "finish") as pool:
        pending: list[tuple[str, Future[str]]] = []
        try:
            for number, asset_id in enumerate(asset_ids):
                try:
                    state = _through_models(house, asset_id, force)
                except (MeshmillError, *TRANSIENT) as error:
                    statuses[asset_id] = fail_asset(house, asset_id, error)
                    continue
                pending.append((asset_id, pool.submit(copy_context().run, _finish, house, state, number % lanes)))
                progress(len(statuses) + sum(future.done() for _, future in pending), len(asset_ids))
            for asset_id, future in pending:
                statuses[asset_id] = future.result()
                progress(len(statuses), len(asset_ids))
        except BaseException:
            house.stop()  # else leaving the pool would wait for finishing that nobody wants any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return statuses


def _through_models(house: House, asset_id: str, force: bool) -> Progressing:
    models = _models(house, asset_id)
    state = begin_asset(house, asset_id, models, force)
    for stage in MODEL_STAGES:
        advance(state, stage, run_as_task(request(state, stage)))
    return state


def _models(house: House, asset_id: str) -> dict[str, Weights]:
    from core.recipes import Recipe

    recipe = Recipe.model_validate(house.ask(assets.job, asset_id).parameters)
    return models_of(house, recipe)


def _finish(house: House, state: Progressing, lane: int) -> str:
    try:
        for stage in FINISH_STAGES:
            advance(state, stage, run_as_task(request(state, stage, lane)))
        return end_asset(house, state)
    except (MeshmillError, *TRANSIENT) as error:
        if house.stopping.is_set():
            return "running"  # not its fault: the next run takes it up again
        return fail_asset(house, state.job.asset_id, error)
