"""Build a recorded asset again, apart from everything, and compare every hash."""

from __future__ import annotations

import hashlib
from typing import Any

from core.errors import InputError
from core.recipes import Recipe
from db import assets
from storage import read_bytes
from tasks.artifacts import kind_of
from tasks.build import INPUTS, MODELS, SEEDED
from tasks.house import House
from tasks.keys import STAGES
from tasks.ladders import step_down
from tasks.models import models_of
from tasks.plan import about_of
from tasks.worker import StageCall


def reproduce(house: House, asset_id: str) -> dict[str, Any]:
    """Recompute every stage of an asset from its stored photo; which artifacts came out the same. Records nothing.

    Each stage reads what the stage before it has just made, so that one difference shows in all that follow.
    Raises :class:`InputError` where the asset was never finished, or its weights are no longer what they were.
    """
    record = assets.lineage(house.engine, asset_id)
    job = assets.job(house.engine, asset_id)
    stages = {stage["stage"]: stage for stage in record["stages"]}
    missing = [stage for stage in STAGES if stage not in stages]
    if missing:
        raise InputError(f"The asset {asset_id} cannot be reproduced: it never passed {', '.join(missing)}.")
    recipe = Recipe.model_validate(job.parameters)
    models = models_of(house, recipe)
    photo = next(i for i in stages["segment"]["inputs"] if i["role"] == "photo")
    key = f"objects/{photo['sha256'][:2]}/{photo['sha256']}"
    made: dict[str, bytes] = {"photo": read_bytes(house.store, key, photo["sha256"])}
    compared: list[dict[str, Any]] = []
    for stage in STAGES:
        run = stages[stage]
        role = MODELS.get(stage)
        if role and run["parameters"]["models"][role] != models[role].sha256:
            raise InputError(f"The {role} weights are no longer those that the asset was made with.")
        name = {"segment": ("model", recipe.segment.model), "views": ("checkpoint", recipe.views.checkpoint)}.get(stage)
        params = run["parameters"]["params"] | (dict([name]) if name else {})
        call = StageCall(
            stage,
            {kind: made[kind] for kind in INPUTS[stage]},
            step_down(stage, params, run["ladder"]),
            recipe.seed if stage in SEEDED else 0,
            {role: models[role].path} if role else {},
            run["parameters"].get("about", {}) or (about_of(job, models) if stage == "finish" else {}),
            house.settings.device,
        )
        output = house.worker(stage).call(call, _listen(house, asset_id, stage), house.settings.stage_timeout)
        before = {artifact["kind"]: artifact["sha256"] for artifact in run["artifacts"]}
        for file, data in output.files.items():
            kind = kind_of(file)
            made[kind] = data
            sha256 = hashlib.sha256(data).hexdigest()
            compared.append({"stage": stage, "kind": kind, "same": before.get(kind) == sha256, "sha256": sha256})
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
