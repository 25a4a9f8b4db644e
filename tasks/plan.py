"""What must be built: from the database's products and one recipe to asset rows, in pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.recipes import Recipe, recipe_hash
from db import assets
from db.assets import Candidate, Job
from tasks.failures import may_pass_next_time
from tasks.house import House
from tasks.keys import VERSIONS, asset_id, digest
from tasks.models import Weights


@dataclass(frozen=True)
class Plan:
    """Asset ids of a run, in the order of their SKUs."""

    build: tuple[str, ...]
    reused: tuple[str, ...]


def product_facts(candidate: Candidate) -> dict[str, Any]:
    """What the catalogue says about a product and the finished file repeats."""
    facts = {
        "sku": candidate.sku,
        "height_cm": candidate.height_cm,
        "licence": candidate.photo_licence or candidate.product_licence,
    }
    return {name: value for name, value in facts.items() if value is not None}


def about_of(job: Job, models: Mapping[str, Weights]) -> dict[str, Any]:
    """The fields of core's ``AssetAbout``; part of the finish stage's key."""
    candidate, views = job.candidate, models["views"]
    credits = (candidate.photo_licence or candidate.product_licence, *(w.attribution for w in models.values()))
    about = {
        "sku": candidate.sku,
        "asset_id": job.asset_id,
        "recipe_hash": job.recipe_hash,
        "checkpoint": views.label,
        "checkpoint_licence": views.licence or "not on record",
        "copyright": "; ".join(credit for credit in credits if credit),
    }
    return about | ({"height_cm": candidate.height_cm} if candidate.height_cm is not None else {})


def plan_key(candidate: Candidate, recipe: Recipe, models: Mapping[str, Weights]) -> str:
    """Everything that an asset depends on, without building anything."""
    return digest(
        {
            "photo": candidate.photo_sha256,
            "recipe": recipe_hash(recipe),
            "models": {role: weights.sha256 for role, weights in models.items()},
            "product": product_facts(candidate),
            "elevation": candidate.elevation,
            "versions": VERSIONS,
        }
    )


def plan_catalogue(
    house: House,
    catalogue_id: int,
    recipe: Recipe,
    models: Mapping[str, Weights],
    *,
    run_id: str | None = None,
    limit: int | None = None,
    force: bool = False,
) -> Plan:
    """Queue what is new or changed; leave alone what is settled, unless its object is gone or ``force`` is given.

    Failed assets are tried again only where the surroundings failed (network, memory, time); `meshmill retry` tries
    the others.
    """
    build: list[str] = []
    reused: list[str] = []
    key = recipe_hash(recipe)
    assets.ensure_recipe(house.engine, key, recipe.name, recipe.model_dump(mode="json"))

    def redo(row: Any) -> bool:
        return force or (row.status == "failed" and may_pass_next_time(row.error_class))

    for page in assets.candidates(house.engine, catalogue_id, limit):
        rows = []
        for candidate in page:
            plan = plan_key(candidate, recipe, models)
            rows.append((candidate, plan, asset_id(candidate.product_id, plan)))
        for id_, must in assets.plan_page(
            house.engine, rows, recipe_hash=key, run_id=run_id, model=models["views"].label, redo=redo
        ):
            (build if must else reused).append(id_)
    return Plan(tuple(build), tuple(reused))
