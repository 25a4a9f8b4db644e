"""The evaluation as a deployment: its figures become an artifact and a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from core.recipes import Recipe, load_recipe
from flows.evaluate import Options, evaluate_folder
from flows.evaluation_models import load_models


@flow(name="evaluate", log_prints=False)
def evaluate(
    folder: Annotated[str, Field(min_length=1, description="Objects with a known truth, in the evaluation's format")],
    recipe: Annotated[Recipe | Literal["starter", "preview", "zero123-xl"], Field(description="Name, or a form")] = (
        "starter"
    ),
    out: Annotated[str, Field(min_length=1, description="Where result.json is written")] = "evaluation",
    limit: Annotated[int | None, Field(ge=1, description="Only the first so many objects")] = None,
) -> dict[str, Any]:
    """The mean figures."""
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    options = Options(limit=limit)
    result = evaluate_folder(Path(folder), chosen, load_models(chosen, options.stages), options)
    path = Path(out) / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result.document, indent=1), "utf-8")
    mean: dict[str, Any] = result.document["mean"]
    create_markdown_artifact(f"```json\n{json.dumps(mean, indent=1)}\n```", key="evaluation")
    return mean
