"""One asset from its photo to its verdict: the stages in order, and the asset's row at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import InputError, MeshmillError
from core.quality.reasons import severity_rank
from core.recipes import Recipe
from db import assets
from db.assets import Job
from db.reviews import record_verdict
from db.stage_runs import Stored
from tasks.artifacts import store_photo
from tasks.compute import plain
from tasks.duplicates import duplicate_warning
from tasks.failures import TRANSIENT, as_meshmill_error, reason_of, status_of
from tasks.house import House
from tasks.models import Weights
from tasks.plan import about_of
from tasks.policy import check_photo
from tasks.run_stage import StageRequest, StageResult, run_stage
from tasks.sources import read_source
from tasks.stages import STAGE, STAGE_NAMES


@dataclass
class Progressing:
    """An asset on its way through the stages."""

    job: Job
    recipe: Recipe
    models: Mapping[str, Weights]
    force: bool = False
    made: dict[str, Stored] = field(default_factory=dict)
    seconds: float = 0.0
    cost: float = 0.0
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)


def begin_asset(house: House, asset_id: str, models: Mapping[str, Weights], force: bool = False) -> Progressing:
    """Mark the asset as running and put its photo into the store. Raises :class:`InputError` for a photo or
    a line of its catalogue that cannot be used, TransientError."""
    job = house.ask(assets.job, asset_id)
    if job.status not in ("finished", "review"):  # a second worker on the same catalogue hides nothing from readers
        house.ask(assets.set_status, asset_id, "running")
    if job.candidate.problem:
        raise InputError(job.candidate.problem)
    state = Progressing(job, Recipe.model_validate(job.parameters), models, force)
    check_photo(state.recipe, job.candidate)
    photo = read_source(house, job.candidate.photo_uri, job.candidate.photo_sha256)
    state.made["photo"] = store_photo(house, photo.source, job.candidate.photo_sha256, photo.bytes)
    return state


def request(state: Progressing, stage: str, lane: int = 0) -> StageRequest:
    """The stage's request out of the recipe and what was made so far."""
    row = STAGE[stage]
    params = row.params_of(state.recipe)
    if stage == "views" and state.job.candidate.elevation is not None:
        params["elevation"] = state.job.candidate.elevation
    return StageRequest(
        state.job.asset_id,
        stage,
        {kind: state.made[kind] for kind in row.inputs},
        params,
        state.recipe.seed if row.seeded else None,
        {row.weights: state.models[row.weights]} if row.weights else {},
        about_of(state.job, state.models) if row.about else {},
        state.force,
        lane,
    )


def advance(state: Progressing, stage: str, result: StageResult) -> None:
    """Take in what a stage made."""
    for stored in result.run.artifacts:
        state.made[stored.kind] = stored
    state.seconds += result.run.seconds
    state.cost += result.run.cost
    state.figures[stage] = result.run.figures


def end_asset(house: House, state: Progressing) -> str:
    """Write the verdict; the status."""
    verdict = state.figures["assess"]
    report = state.figures["finish"]
    glb = state.made["glb"]
    status = verdict["verdict"] if verdict["verdict"] in ("finished", "review", "failed") else "failed"
    duplicate = duplicate_warning(house, state.job.candidate, state.figures["segment"].get("fingerprint"))
    reasons = sorted([*([plain(duplicate)] if duplicate else []), *verdict["reasons"]], key=severity_rank)
    # What is only good to know is no complaint about an asset that was found good enough.
    worth_a_line = [told for told in reasons if status != "finished" or told["severity"] != "note"]
    reason = worth_a_line[0]["message"] if worth_a_line else None
    status, reason = house.ask(
        record_verdict,
        state.job.asset_id,
        status,
        verdict=verdict["verdict"],
        reason=reason,
        reasons=reasons,
        score=verdict["score"],
        metrics=verdict["metrics"],
        faces=report.get("faces"),
        bytes=glb.bytes,
        seconds=round(state.seconds, 3),
        cost=round(state.cost, 6),
        glb_id=glb.id,
    )
    house.listener.asset(state.job.asset_id, status, reason)
    return status


def fail_asset(house: House, asset_id: str, error: BaseException) -> str:
    """Write why an asset did not come to be; the status. Transient errors pass: Prefect retries them first."""
    known = as_meshmill_error(error)
    status = status_of(known)
    told = plain(reason_of(known))
    house.ask(assets.set_status, asset_id, status, reason=str(known), reasons=[told], error_class=type(known).__name__)
    house.listener.asset(asset_id, status, str(known))
    return status


def build_ahead(
    house: House,
    asset_ids: Sequence[str],
    models: Mapping[str, Weights],
    enough: Callable[[], bool],
    force: bool = False,
) -> set[str]:
    """Run stages of the first assets until ``enough``; the ids of those that came to an end on the way.

    What it makes is found again by its keys; with ``force`` it would be made twice, so nothing is done.
    """
    settled: set[str] = set()
    if force:
        return settled
    for asset_id in asset_ids:
        try:
            if enough():
                break
            state = begin_asset(house, asset_id, models)
            for stage in STAGE_NAMES:
                if enough():
                    return settled
                advance(state, stage, run_stage(house, request(state, stage)))
            end_asset(house, state)
            settled.add(asset_id)
        except TRANSIENT:
            continue  # the flow's tasks retry with patience
        except MeshmillError as error:
            fail_asset(house, asset_id, error)
            settled.add(asset_id)
    return settled
