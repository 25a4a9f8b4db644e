"""Build a recorded asset again, apart from everything, and compare every hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.recipes import of_record
from db import assets
from db.lineage import StageInput, StageRecord, lineage
from storage import read_bytes
from tasks.artifacts import kind_of
from tasks.factory import Factory
from tasks.models import models_of
from tasks.plan import about_of, about_values
from tasks.stages import STAGE_NAMES, STAGES, Stage
from tasks.variants import SHAPE_STAGES
from tasks.worker import StageCall


@dataclass(frozen=True)
class Compared:
    """One artifact of the recorded build and of the new one."""

    stage: str
    kind: str
    same: bool
    sha256: str | None
    """Of the new one; None where it was not made."""


@dataclass(frozen=True)
class Reproduction:
    """The document of `reproduce --json`."""

    asset_id: str
    sku: str
    same: bool
    artifacts: list[Compared]


def reproduce(factory: Factory, asset_id: str) -> Reproduction:
    """Recompute every stage of an asset from its stored photo; which artifacts came out the same. Records nothing.

    Each stage reads what the stage before it has just made, so that one difference shows in all that follow. A file
    that only one of the two builds has (``sha256`` is None where it is gone) is a difference too.
    Raises :class:`InputError` where the asset was never finished, or its weights are no longer what they were.
    """
    record = lineage(factory.engine, asset_id)
    job = assets.job(factory.engine, asset_id)
    runs = {stage.part: stage for stage in record.stages}
    lent = SHAPE_STAGES if "recolour" in runs else ()  # a variant's shape is another product's
    missing = [stage for stage in STAGE_NAMES if stage not in runs and stage not in lent]
    if missing:
        raise InputError(f"The asset {asset_id} cannot be reproduced: it never passed {', '.join(missing)}.")
    recipe = of_record(job.parameters)
    models = models_of(factory, recipe)
    made: dict[str, bytes] = {}
    compared: list[Compared] = []
    for part, stage in _parts(runs):
        run, role = runs[part], stage.weights
        if role and run.parameters["models"][role] != models[role].sha256:
            raise InputError(f"The {role} weights are no longer those that the asset was made with.")
        params = dict(run.parameters["params"])
        if named := stage.weights_parameter:
            params[named] = stage.params_of(recipe)[named]
        call = StageCall(
            stage.name,
            {item.role: _input(factory, item, made) for item in run.inputs},
            stage.step_down(params, run.ladder),
            recipe.seed if stage.seeded else 0,
            {role: models[role].path} if role else {},
            run.parameters.get("about", {}) or (about_values(about_of(job, models)) if stage.about else {}),
            factory.settings.device,
            ladder=run.ladder,
        )
        output = factory.worker(stage.name).call(call, _listen(factory, asset_id, part), factory.settings.stage_timeout)
        before = {artifact.kind: artifact.sha256 for artifact in run.artifacts}
        files = {kind_of(file): data for file, data in output.files.items()}
        # What a further photo became stands under the hash that aligning it read: the kinds are the main photo's.
        made |= files if part == stage.name else {before[kind]: data for kind, data in files.items() if kind in before}
        now = {kind: hashlib.sha256(data).hexdigest() for kind, data in files.items()}
        compared += [Compared(part, kind, before.get(kind) == now.get(kind), now.get(kind)) for kind in now | before]
    return Reproduction(asset_id, record.asset.sku, all(item.same for item in compared), compared)


def _parts(runs: Mapping[str, StageRecord]) -> Iterator[tuple[str, Stage]]:
    """The parts of an asset in the order in which they are built; each further photo has its own segment stage."""
    for stage in STAGES:
        yield from ((part, stage) for part in runs if part == stage.name)
        yield from ((part, stage) for part in sorted(runs) if part.startswith(f"{stage.name} "))


def _input(factory: Factory, item: StageInput, made: Mapping[str, bytes]) -> bytes:
    """What a stage reads, as it was just made; photos, and cutouts of those that were not used, as they were stored."""
    if item.role in made:
        return made[item.role]
    if item.sha256 in made:
        return made[item.sha256]
    return read_bytes(factory.store, item.key, item.sha256)


def _listen(factory: Factory, asset_id: str, stage: str) -> Any:
    def progress(step: str, done: int, total: int, **figures: Any) -> None:
        factory.listener.progress(asset_id, stage, step, done, total, **figures)

    return progress
