"""Stage keys: the sha256 of the canonical JSON of everything that a stage's result depends on."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from core.parameters import JsonObject
from core.recipes import canonical_json
from tasks.stages import STAGE


def stage_parameters(
    stage: str,
    inputs: Mapping[str, str],
    params: Mapping[str, Any],
    seed: int | None,
    models: Mapping[str, str],
    about: Mapping[str, Any] | None = None,
) -> JsonObject:
    """What a key hashes: input roles to sha256, parameters, seed, model roles to sha256, the stage's version."""
    tree: JsonObject = {
        "stage": stage,
        "version": STAGE[stage].version,
        "inputs": {**inputs},
        "params": {**params},
        "seed": seed,
        "models": {**models},
    }
    return tree | ({"about": dict(about)} if about else {})


def stage_key(parameters: Mapping[str, Any]) -> str:
    return digest(parameters)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def asset_id(product_id: int, plan_key: str) -> str:
    """A short id that two workers which plan the same asset at once agree on."""
    return "a" + digest([product_id, plan_key])[:15]


def new_run_id() -> str:
    return "r" + uuid.uuid4().hex[:15]
