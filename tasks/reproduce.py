"""Build a recorded asset again, apart from everything, and compare every hash."""

from __future__ import annotations

import hashlib
from typing import Any

from core.errors import InputError
from core.recipes import Recipe
from db import assets
from storage import read_bytes
from tasks.artifacts import kind_of
from tasks.house import House
from tasks.models import models_of
from tasks.plan import about_of
from tasks.stages import STAGE_NAMES, STAGES
from tasks.worker import StageCall


def reproduce(house: House, asset_id: str) -> dict[str, Any]:
    """Recompute every stage of an asset from its stored photo; which artifacts came out the same. Records nothing.

    Each stage reads what the stage before it has just made, so that one difference shows in all that follow. A file
    that only one of the two builds has (``sha256`` is None where it is gone) is a difference too.
    Raises :class:`InputError` where the asset was never finished, or its weights are no longer what they were.
    """
    record = assets.lineage(house.engine, asset_id)
    job = assets.job(house.engine, asset_id)
    stages = {stage["stage"]: stage for stage in record["stages"]}
    missing = [stage for stage in STAGE_NAMES if stage not in stages]
    if missing:
        raise InputError(f"The asset {asset_id} cannot be reproduced: it never passed {', '.join(missing)}.")
    recipe = Recipe.model_validate(job.parameters)
    models = models_of(house, recipe)
    photo = next(i for i in stages["segment"]["inputs"] if i["role"] == "photo")
    key = f"objects/{photo['sha256'][:2]}/{photo['sha256']}"
    made: dict[str, bytes] = {"photo": read_bytes(house.store, key, photo["sha256"])}
    compared: list[dict[str, Any]] = []
    for stage in STAGES:
        run, role = stages[stage.name], stage.weights
        if role and run["parameters"]["models"][role] != models[role].sha256:
            raise InputError(f"The {role} weights are no longer those that the asset was made with.")
        params = dict(run["parameters"]["params"])
        if named := stage.weights_parameter:
            params[named] = stage.params_of(recipe)[named]
        call = StageCall(
            stage.name,
            {kind: made[kind] for kind in stage.inputs},
            stage.step_down(params, run["ladder"]),
            recipe.seed if stage.seeded else 0,
            {role: models[role].path} if role else {},
            run["parameters"].get("about", {}) or (about_of(job, models) if stage.about else {}),
            house.settings.device,
            ladder=run["ladder"],
        )
        output = house.worker(stage.name).call(call, _listen(house, asset_id, stage.name), house.settings.stage_timeout)
        before = {artifact["kind"]: artifact["sha256"] for artifact in run["artifacts"]}
        made |= (files := {kind_of(file): data for file, data in output.files.items()})
        now = {kind: hashlib.sha256(data).hexdigest() for kind, data in files.items()}
        compared += [
            {"stage": stage.name, "kind": kind, "same": before.get(kind) == now.get(kind), "sha256": now.get(kind)}
            for kind in now | before
        ]
    return {
        "asset_id": asset_id,
        "sku": record["sku"],
        "same": all(item["same"] for item in compared),
        "artifacts": compared,
    }


def _listen(house: House, asset_id: str, stage: str) -> Any:
    def progress(step: str, done: int, total: int, **figures: Any) -> None:
        house.listener.progress(asset_id, stage, step, done, total, **figures)

    return progress
