"""Assets from their photos to their verdicts: the stages in order, and each asset's row at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from core.errors import DatabaseDown, InputError, PhotoUnavailable, RunStopped, SetupError, UnreadablePhoto
from core.quality.reasons import reason, severity_rank
from core.recipes import Recipe, of_record
from core.zero123.params import ViewsParams
from db import assets, runs, stage_runs
from db.assets import Job
from db.candidates import FurtherPhoto
from db.reviews import record_verdict
from db.stage_runs import Stored
from tasks.artifacts import store_photo
from tasks.compute import plain
from tasks.duplicates import duplicate_warning
from tasks.factory import Factory
from tasks.failures import (
    NIGHTS,
    as_meshmill_error,
    is_transient,
    last_reason_of,
    may_pass,
    reason_of,
    status_of,
)
from tasks.models import Weights, models_of
from tasks.photo_bytes import read_source
from tasks.plan import about_of, about_values
from tasks.policy import check_photo
from tasks.run_stage import StageRequest, StageResult, run_stage
from tasks.several import align_all, segment_further
from tasks.stages import STAGE, STAGES
from tasks.stopping import Breaker, refused_sentence
from tasks.variants import SHAPE_STAGES, alone, begin_shape, recolour, take_over

LOGGER = logging.getLogger(__name__)

MODEL_STAGES = tuple(stage.name for stage in STAGES if stage.weights is not None)
FINISH_STAGES = tuple(stage.name for stage in STAGES if stage.weights is None and not stage.optional)


@dataclass
class AssetBuild:
    """An asset on its way through the stages."""

    job: Job
    recipe: Recipe
    models: Mapping[str, Weights]
    force: bool = False
    made: dict[str, Stored] = field(default_factory=dict)
    further: list[tuple[FurtherPhoto, Stored]] = field(default_factory=list)
    """More photos of the product, in the store."""
    refused: list[tuple[FurtherPhoto, str]] = field(default_factory=list)
    """Further photos that cannot be used, and why, in a sentence."""
    seconds: float = 0.0
    cost: float = 0.0
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    linked: bool = True
    """Whether its stages are the asset's own; those of a product that only lends its shape are not."""
    shape: AssetBuild | None = None
    """The product whose shape it takes over."""


def begin_asset(factory: Factory, asset_id: str, models: Mapping[str, Weights], force: bool = False) -> AssetBuild:
    """Mark the asset as running and put its photo into the store. Raises :class:`InputError` for a photo or
    a line of its catalogue that cannot be used, TransientError."""
    job = factory.retry_database(assets.job, asset_id)
    factory.retry_database(assets.begin, asset_id)
    if job.candidate.problem:
        raise InputError(job.candidate.problem)
    state = AssetBuild(job, of_record(job.parameters), models, force)
    store_photos(factory, state)
    return state


def store_photos(factory: Factory, state: AssetBuild) -> None:
    """Put the photos of a build into the store. Raises what :func:`begin_asset` does."""
    job = state.job
    check_photo(state.recipe, job.candidate)
    photo = read_source(factory, job.candidate.photo_uri, job.candidate.photo_sha256)
    state.made["photo"] = store_photo(factory, photo.source, job.candidate.photo_sha256, photo.bytes)
    for further in job.candidate.further:
        try:  # the others make the asset
            photo = read_source(factory, further.uri, further.sha256)
            state.further.append((further, store_photo(factory, photo.source, further.sha256, photo.bytes)))
        except UnreadablePhoto as error:
            state.refused.append((further, str(error)))


def request(state: AssetBuild, stage: str, lane: int = 0) -> StageRequest:
    """The stage's request out of the recipe and what was made so far."""
    row = STAGE[stage]
    params = row.params_of(state.recipe)
    if row.params is ViewsParams and state.job.candidate.elevation is not None:
        params["elevation"] = state.job.candidate.elevation
    return StageRequest(
        state.job.asset_id,
        stage,
        {kind: state.made[kind] for kind in row.reads(state.made)},
        params,
        state.recipe.seed if row.seeded else None,
        {row.weights: state.models[row.weights]} if row.weights else {},
        about_values(about_of(state.job, state.models, photos_used(state))) if row.about else {},
        state.force,
        lane,
        linked=state.linked,
        sku=state.job.candidate.sku,
    )


def photos_used(state: AssetBuild) -> int:
    """How many photos the asset is made from."""
    return int(state.figures.get("align", {}).get("used", 1))


def add_result(state: AssetBuild, stage: str, result: StageResult) -> None:
    """Take in what a stage made."""
    for stored in result.run.artifacts:
        state.made[stored.kind] = stored
    state.seconds += result.run.seconds
    state.cost += result.run.cost
    state.figures[stage] = result.run.figures


def end_asset(factory: Factory, state: AssetBuild) -> str:
    """Write the verdict; the status."""
    verdict = state.figures["assess"]
    report = state.figures["finish"]
    glb = state.made["glb"]
    status = verdict["verdict"] if verdict["verdict"] in ("finished", "review", "failed") else "failed"
    duplicate = duplicate_warning(factory, state.job.candidate, state.figures["segment"].get("fingerprint"))
    told = [*alone(state), *([duplicate] if duplicate else [])]
    judged = sorted([*map(plain, told), *verdict["reasons"]], key=severity_rank)
    if status != "finished" and judged and all(known["severity"] == "note" for known in judged):
        # How difficult the product is, is no reason to look: the score is.
        judged.insert(0, plain(reason("needs_a_look", "affects")))
    # What is only good to know is no complaint about an asset that was found good enough.
    worth_a_line = [known for known in judged if status != "finished" or known["severity"] != "note"]
    sentence = worth_a_line[0]["message"] if worth_a_line else None
    size = [] if report.get("size_known") else [plain(reason("size_unknown", "note"))]
    status, sentence = factory.retry_database(
        record_verdict,
        state.job.asset_id,
        status,
        verdict=verdict["verdict"],
        reason=sentence,
        reasons=judged + size,
        score=verdict["score"],
        metrics=verdict["metrics"],
        faces=report.get("faces"),
        bytes=glb.bytes,
        seconds=round(state.seconds, 3),
        cost=round(state.cost, 6),
        glb_id=glb.id,
        failed_nights=0,
    )
    factory.listener.asset(state.job.asset_id, status, sentence)
    return status


def fail_asset(factory: Factory, asset_id: str, error: BaseException) -> str:
    """Write why an asset did not come to be; the status that stands. Transient errors pass: Prefect retries first."""
    known = as_meshmill_error(error)
    waits = status_of(known) == "queued"
    status, reason = factory.retry_database(
        assets.record_failure,
        asset_id,
        status_of(known),
        reason=plain(reason_of(known)),
        error_class=type(known).__name__,
        last_night=NIGHTS if may_pass(known) and not waits else None,
        last_reason=plain(last_reason_of(known)),
    )
    if status not in ("finished", "review"):  # else whoever finished it has said so
        factory.listener.asset(asset_id, "waiting" if waits else status, reason)
    return status


Runner = Callable[[StageRequest], StageResult]
"""Runs or reuses one stage: as a task of Prefect's, or plainly while its server is still coming up."""


class _Enough(Exception):
    """Somebody else goes on from here."""


@dataclass
class Shard:
    """Assets one after the other through the models' stages, their finishing beside it: the one way in which assets are
    built, whether here or on a work pool."""

    factory: Factory
    run: Runner
    breaker: Breaker
    models: Mapping[str, Weights] | None = None
    """None: as each asset's own recipe names them."""
    force: bool = False
    enough: Callable[[], bool] | None = None
    """Asked before every stage: once it holds, what is not finished stays for another driver, which finds the finished
    stages by their keys. What may pass at the next try is left to that one too."""
    statuses: dict[str, str] = field(default_factory=dict)
    """Asset id to final status, of those that came to an end."""

    def build(
        self, asset_ids: Sequence[str], progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> dict[str, str]:
        """:attr:`statuses`. One asset's failure never stops the others. Raises :class:`RunStopped`: running stages were
        waited for, what was not tried or not ended is queued."""
        try:
            self._build(asset_ids, progress)
        except RunStopped:
            with suppress(DatabaseDown):
                self.factory.retry_database(runs.put_back, asset_ids)
            raise
        return self.statuses

    def _build(self, asset_ids: Sequence[str], progress: Callable[[int, int], None]) -> None:
        lanes = self.factory.settings.finish_workers
        with ThreadPoolExecutor(lanes, "finish") as pool:
            pending: list[Future[None]] = []
            try:
                for number, asset_id in enumerate(asset_ids):
                    if self.factory.budget.exhausted() or (self.enough is not None and self.enough()):
                        break
                    with self._settling(asset_id):
                        state = self._through_models(asset_id)
                        context = copy_context()
                        pending.append(pool.submit(context.run, self._finish, state, number % lanes))
                    progress(len(self.statuses), len(asset_ids))
                for future in pending:
                    future.result()
                    progress(len(self.statuses), len(asset_ids))
            except RunStopped:
                pool.shutdown(cancel_futures=True)
                raise
            except BaseException:
                self.factory.stop()  # else leaving the pool would wait for finishing that nobody wants any more
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _through_models(self, asset_id: str) -> AssetBuild:
        self.breaker.check()
        self.breaker.began(asset_id)
        job = self.factory.retry_database(assets.job, asset_id)
        models = self.models
        if models is None or job.candidate.settings is not None:  # people may have chosen a recipe of other weights
            models = models_of(self.factory, of_record(job.parameters))
        state = begin_asset(self.factory, asset_id, models, self.force)
        self._pass_models(state)
        return state

    def _pass_models(self, state: AssetBuild) -> None:
        for stage in MODEL_STAGES:
            if state.shape is not None and stage in SHAPE_STAGES:
                continue
            if not STAGE[stage].optional:
                self._stage(state, stage)
            elif state.further or state.refused:
                self._together(state)
            if stage == "segment" and state.linked and state.job.candidate.variant_of is not None:
                self._take_shape(state)

    def _take_shape(self, state: AssetBuild) -> None:
        """Take over the shape of the product whose variant it is. Where that one cannot be built, or the photo shows
        another outline, the variant is built as if it were none."""
        shape = begin_shape(state)
        if shape is None:
            return
        try:
            store_photos(self.factory, shape)
            self._pass_models(shape)
        except (InputError, PhotoUnavailable):
            return
        self._check()
        recoloured = self.run(recolour(request(state, "views"), shape))
        if recoloured.run.figures["used"]:
            link = (state.job.asset_id, "recolour", recoloured.run.id, recoloured.reused)
            self.factory.retry_database(stage_runs.link_asset, *link)
            add_result(state, "recolour", recoloured)
            take_over(state, recoloured)
            state.shape = shape

    def _together(self, state: AssetBuild) -> None:
        """Cut out the product's further photos and place them all in one frame. One that fails is left out; with none
        left, the asset is made from its main photo as if there were no others."""
        cut: list[tuple[FurtherPhoto, StageResult]] = []
        for photo, stored in state.further:
            self._check()
            try:
                cut.append((photo, self.run(segment_further(request(state, "segment"), stored))))
            except InputError as error:  # no product in it, or too small
                state.refused.append((photo, str(error)))
        if not cut and not state.refused:
            return
        self._check()
        aligned = self.run(
            align_all(
                request(state, "align"),
                state.job.candidate.photo_sha256,
                state.figures["segment"],
                cut,
                state.refused,
            )
        )
        for result in (aligned, *(result for _, result in cut)):
            if not result.reused:
                self.factory.budget.spend(result.run.cost)
            state.seconds += result.run.seconds
            state.cost += result.run.cost
        state.figures["align"] = aligned.run.figures
        if photos_used(state) < 2:
            return
        state.made["photos"] = aligned.artifact("photos")
        placed = {record["name"] for record in aligned.run.figures["photos"] if record["used"]}
        used = [result for photo, result in cut if photo.sha256 in placed]
        for number, result in enumerate(used if state.linked else (), 2):
            link = (state.job.asset_id, f"segment {number}", result.run.id, result.reused)
            self.factory.retry_database(stage_runs.link_asset, *link)

    def _finish(self, state: AssetBuild, lane: int) -> None:
        with self._settling(state.job.asset_id):
            for stage in FINISH_STAGES:
                if state.shape is not None and stage in SHAPE_STAGES:
                    self._stage(state.shape, stage, lane)
                    state.made[stage] = state.shape.made[stage]
                else:
                    self._stage(state, stage, lane)
            self.statuses[state.job.asset_id] = end_asset(self.factory, state)
            self.breaker.came_out(state.job.asset_id)

    def _check(self) -> None:
        self.breaker.check()
        if self.enough is not None and self.enough():
            raise _Enough

    def _stage(self, state: AssetBuild, stage: str, lane: int = 0) -> None:
        self._check()
        result = self.run(request(state, stage, lane))
        if not result.reused:
            self.factory.budget.spend(result.run.cost)
        add_result(state, stage, result)

    @contextmanager
    def _settling(self, asset_id: str) -> Iterator[None]:
        """What an asset ends with where it does not end with a verdict."""
        try:
            yield
        except _Enough:
            return
        except RunStopped:
            raise
        except SetupError as error:
            self.breaker.stop(refused_sentence(error))
            self.breaker.check()
        except Exception as error:
            passes = is_transient(error) and not isinstance(error, PhotoUnavailable)
            if self.factory.stopping.is_set() or (self.enough is not None and passes):
                return  # not its fault: another driver, or the next run, takes it up again
            known = as_meshmill_error(error)
            if known is not error and not is_transient(error):
                LOGGER.exception("%s ends with a bug of ours", asset_id)
            self.statuses[asset_id] = status = fail_asset(self.factory, asset_id, error)
            if status in ("quarantined", "queued"):
                self.breaker.refused(asset_id)
            else:
                self.breaker.failed(asset_id, self.factory.retry_database(assets.job, asset_id).candidate.sku, known)


def build_ahead(
    factory: Factory,
    asset_ids: Sequence[str],
    models: Mapping[str, Weights] | None,
    enough: Callable[[], bool],
    force: bool = False,
    run_id: str | None = None,
) -> set[str]:
    """Run stages of the first assets until ``enough``; the ids of those that came to an end on the way.

    What it makes is found again by its keys; with ``force`` it would be made twice, so nothing is done.
    """
    if force:
        return set()
    shard = Shard(factory, partial(run_stage, factory), Breaker(factory, run_id), models, enough=enough)
    return set(shard.build(asset_ids))
