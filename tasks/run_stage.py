"""One stage of one asset: reuse it, or lease its key, compute it, store it, record it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import DatabaseDown, MeshmillError, ObjectDamaged, ObjectMissing, OutOfMemory, StageError
from core.parameters import JsonObject
from db import leases, stage_runs
from db.housekeeping import ObjectsCollected
from db.stage_runs import FinishedRun, LeaseLost, NewArtifact, Stored
from tasks.artifacts import kind_of, load, store_file, whole
from tasks.factory import Factory
from tasks.failures import as_meshmill_error
from tasks.keys import stage_key, stage_parameters
from tasks.models import Weights
from tasks.remake import heal
from tasks.renewal import POLL_SECONDS, Renewal
from tasks.stages import STAGE
from tasks.worker import StageCall


@dataclass(frozen=True)
class StageRequest:
    """What to build for whom."""

    asset_id: str
    stage: str
    inputs: Mapping[str, Stored]
    params: Mapping[str, Any]
    seed: int | None = None
    models: Mapping[str, Weights] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    force: bool = False
    lane: int = 0
    linked: bool = True
    """Whether the asset is made of it, come what may: not known of a further photo before it is placed."""
    prefect_run_id: str | None = None
    sku: str = ""
    """For the pages of whoever runs it."""


@dataclass(frozen=True)
class StageResult:
    """What a stage gave, made now or before."""

    run: FinishedRun
    reused: bool

    def artifact(self, kind: str) -> Stored:
        for stored in self.run.artifacts:
            if stored.kind == kind:
                return stored
        raise StageError(f"The stage made no {kind}.")


def run_stage(factory: Factory, request: StageRequest) -> StageResult:
    """Reuse or build. Raises the stage's own error from :mod:`core.errors`, recorded already."""
    parameters = _parameters(request)
    key = stage_key(parameters)
    owner = _owner(factory, request)
    if request.force:
        factory.retry_database(stage_runs.invalidate, key)
    while True:
        if factory.stopping.is_set():
            raise StageError("The run was stopped before this stage.")
        found = _usable(factory, key)
        if found is not None:
            return _linked(factory, request, found, reused=True)
        if not _claimed(factory, key, owner):
            time.sleep(POLL_SECONDS)
            continue
        found = _usable(factory, key)  # it may have been finished between the look and the claim
        if found is not None:
            factory.retry_database(leases.release, key, owner)
            return _linked(factory, request, found, reused=True)
        try:
            return _linked(factory, request, _build(factory, request, key, parameters), reused=False)
        except LeaseLost:
            continue


def _owner(factory: Factory, request: StageRequest) -> str:
    """Each lane of a process is a holder of its own: two products with the same photo share keys, and so do a product
    and the variants that take over its shape."""
    return f"{factory.owner}/{request.lane}" + ("" if request.linked else f"/{request.asset_id}")


def _claimed(factory: Factory, key: str, owner: str) -> bool:
    return factory.retry_database(leases.claim, key, owner, factory.settings.lease_seconds)


def _parameters(request: StageRequest) -> JsonObject:
    named = STAGE[request.stage].weights_parameter
    params = {name: value for name, value in request.params.items() if name != named}
    return stage_parameters(
        request.stage,
        {role: stored.sha256 for role, stored in request.inputs.items()},
        params,
        request.seed,
        {role: weights.sha256 for role, weights in request.models.items()},
        request.about,
    )


def _usable(factory: Factory, key: str) -> FinishedRun | None:
    """A finished run whose objects still stand, byte for byte; one whose objects are gone or damaged is set aside."""
    found = factory.retry_database(stage_runs.find_finished, key)
    if found is not None and not all(whole(factory, stored) for stored in found.artifacts):
        factory.retry_database(stage_runs.invalidate, key)
        return None
    return found


def _linked(factory: Factory, request: StageRequest, run: FinishedRun, reused: bool) -> StageResult:
    if request.linked:
        factory.retry_database(stage_runs.link_asset, request.asset_id, request.stage, run.id, reused)
    factory.listener.stage(request.asset_id, request.stage, "reused" if reused else "finished", seconds=run.seconds)
    return StageResult(run, reused)


def _build(factory: Factory, request: StageRequest, key: str, parameters: JsonObject) -> FinishedRun:
    """Compute under our lease, one step further down the memory ladder after each :class:`OutOfMemory`."""
    factory.listener.stage(request.asset_id, request.stage, "started")
    owner = _owner(factory, request)
    inputs = _load_inputs(factory, request, key, owner)
    rungs = tuple(STAGE[request.stage].steps_down(request.params))
    for ladder, params in enumerate(rungs):
        try:
            return _attempt(factory, replace(request, params=params), key, owner, parameters, inputs, ladder)
        except OutOfMemory:
            if ladder == len(rungs) - 1 or not _claimed(factory, key, owner):
                raise
    raise AssertionError("unreachable")


def _load_inputs(factory: Factory, request: StageRequest, key: str, owner: str) -> dict[str, bytes]:
    """What the stage reads. What was lost since it was made is made again; our lease goes back first, as that may take
    long, and :class:`LeaseLost` starts over."""
    try:
        return {role: load(factory, stored) for role, stored in request.inputs.items()}
    except (ObjectMissing, ObjectDamaged):
        factory.retry_database(leases.release, key, owner)
        heal(factory, request.inputs.values())
        raise LeaseLost(key) from None


def _attempt(
    factory: Factory,
    request: StageRequest,
    key: str,
    owner: str,
    parameters: JsonObject,
    inputs: dict[str, bytes],
    ladder: int,
) -> FinishedRun:
    run_id = factory.retry_database(
        stage_runs.begin,
        key,
        stage=request.stage,
        version=STAGE[request.stage].version,
        parameters=parameters,
        owner=owner,
        ladder=ladder,
        prefect_run_id=request.prefect_run_id,
    )
    started = time.monotonic()
    renewal = Renewal(factory, key, owner)
    checkpoint = factory.scratch / f"{key}.checkpoint"
    call = StageCall(
        request.stage,
        inputs,
        request.params,
        request.seed or 0,
        {role: weights.path for role, weights in request.models.items()},
        request.about,
        factory.settings.device,
        str(checkpoint) if STAGE[request.stage].resumable else None,
        ladder,
    )
    try:
        output = factory.worker(request.stage, request.lane).call(
            call,
            lambda step, done, total, **figures: factory.listener.progress(
                request.asset_id, request.stage, step, done, total, **figures
            ),
            factory.settings.stage_timeout,
            renewal,
        )
        if missing := set(STAGE[request.stage].outputs).difference(map(kind_of, output.files)):
            raise StageError(f"The {request.stage} stage did not make its {' and '.join(sorted(missing))}.")
        seconds = output.seconds
        rate = factory.settings.cost_per_gpu_hour if output.device != "cpu" else factory.settings.cost_per_cpu_hour
        cost = seconds / 3600 * rate
        figures = dict(output.figures)

        def record(made: Sequence[NewArtifact]) -> tuple[Stored, ...]:
            return factory.retry_database(
                stage_runs.finish,
                run_id,
                key,
                owner,
                inputs={role: stored.id for role, stored in request.inputs.items()},
                artifacts=made,
                seconds=seconds,
                cost=cost,
                device=output.device,
                peak_memory=output.peak_memory,
                figures=figures,
            )

        rows = _stored(factory, output.files, record, renewal)
    except LeaseLost:
        raise
    except KeyboardInterrupt:
        with suppress(DatabaseDown):
            leases.release(factory.engine, key, owner)  # the next run need not wait for it to expire
        raise
    except Exception as error:
        known = as_meshmill_error(error)
        cause = str(error.__cause__).strip() if isinstance(error, MeshmillError) and error.__cause__ else None
        factory.retry_database(
            stage_runs.fail,
            run_id,
            key,
            owner,
            error_class=type(known).__name__,
            sentence=known.whole,
            traceback=cause or traceback.format_exc(),
            seconds=time.monotonic() - started,
        )
        factory.listener.stage(request.asset_id, request.stage, "failed", sentence=str(known))
        raise known from error
    checkpoint.unlink(missing_ok=True)
    return FinishedRun(run_id, seconds, cost, figures, rows, parameters, ladder)


def _stored(
    factory: Factory,
    files: Mapping[str, bytes],
    record: Callable[[Sequence[NewArtifact]], tuple[Stored, ...]],
    alive: Callable[[], None],
) -> tuple[Stored, ...]:
    """The files in the store and on record; once more where garbage collection came in between, as after a host's long
    sleep."""
    while True:
        made = [store_file(factory, name, data, alive) for name, data in files.items()]
        with suppress(ObjectsCollected):
            return record(made)
