"""The nightly flow: which photos are new or changed, build them, and say what came out."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from core.recipes import Recipe, recipe_hash
from db import assets
from flows.build_catalogue import build_catalogue
from flows.report import Webhooks, markdown_summary, tell
from flows.run import summary
from tasks.house import HOUSE, open_house
from tasks.ingest import ingest_source
from tasks.keys import new_run_id


@flow(name="ingest", log_prints=False)
def ingest(
    folder: Annotated[str, Field(min_length=1, description="Folder, s3:// prefix, or CSV/JSON manifest")],
    recipe: Annotated[Recipe | Literal["starter", "preview", "zero123-xl"], Field(description="Name, or a form")] = (
        "starter"
    ),
    limit: Annotated[int | None, Field(ge=1, description="Build at most so many products")] = None,
    force: bool = False,
    settle_seconds: Annotated[float, Field(ge=0, description="Younger files wait for the next night")] = 60.0,
    shard_size: Annotated[int, Field(ge=1, le=1000, description="Assets a build_assets run")] = 50,
    deployment: Annotated[str | None, Field(description="Deployment that shards go to; None builds here")] = None,
) -> dict[str, Any]:
    """Take in a catalogue and build what is new or changed; the summary is an artifact and a JSON file in the home."""
    from core.recipes import load_recipe

    started = time.monotonic()
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    house = open_house()
    house.listener = Webhooks(house)
    token = HOUSE.set(house)
    try:
        catalogue_id, changes = ingest_source(house, folder, settle_seconds)
        run_id = new_run_id()
        plan = build_catalogue(catalogue_id, chosen, limit, force, shard_size, deployment)
        assets.start_run(house.engine, run_id, catalogue_id, recipe_hash(chosen))
        rows = assets.list_assets(house.engine, ids=[*plan.build, *plan.reused])
        document = summary(run_id, rows, plan.reused, time.monotonic() - started, changes)
        short = {name: value for name, value in document.items() if name != "assets"}
        assets.end_run(house.engine, run_id, short)
        path = house.settings.home_path / "summaries" / f"{run_id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, default=str), "utf-8")
        create_markdown_artifact(markdown_summary(document), key="nightly-summary", description=f"Run {run_id}")
        tell(house.settings, "run.ended", short)
        return short
    finally:
        HOUSE.reset(token)
        house.close()
