"""The evaluation as a deployment: progress while it runs; then its table, a contact sheet, and a file of figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from core.recipes import Recipe, RecipeName, load_recipe
from core.records import to_json
from evaluation.report import contact_sheet, markdown_table
from evaluation.run import evaluate_folder
from evaluation.values import Options
from flows.artifacts import ProgressArtifact, show_link, show_text
from flows.evaluation_models import load_models
from flows.pages import night_name

Means = dict[str, dict[str, float | None] | None]
"""Groups of figures to figures; None where no object has any."""

LPIPS = "lpips_alex.npz"


@flow(name="evaluate", flow_run_name=night_name, log_prints=False)
def evaluate(
    folder: Annotated[str, Field(min_length=1)],
    recipe: Recipe | RecipeName = ("starter"),
    out: Annotated[str, Field(min_length=1)] = "evaluation-result",
    limit: Annotated[int | None, Field(ge=1)] = None,
) -> Means:
    """The mean figures.

    Args:
        folder: Objects with a known truth, in the evaluation's format.
        recipe: Name, or a form.
        out: Where result.json and contact-sheet.png are written.
        limit: Only the first so many objects.
    """
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    root = Path(folder)
    options = Options(
        keep=Path(out).resolve() / "measured",
        limit=limit,
        lpips=next((p for p in (root / LPIPS, root.parent / "weights" / LPIPS) if p.is_file()), None),
    )
    show_progress = ProgressArtifact("evaluation-progress", "objects evaluated")

    def progress(step: str, done: int, total: int, **figures: Any) -> None:
        if step == "evaluate":
            show_progress(done, total)

    result = evaluate_folder(root, chosen, load_models(chosen, options.stages), options, progress)
    path = Path(out).resolve()
    path.mkdir(parents=True, exist_ok=True)
    (path / "result.json").write_text(json.dumps(to_json(result.document), indent=1), "utf-8")
    contact_sheet(result.pictures).save(path / "contact-sheet.png")
    show_text(markdown_table(result.document), "evaluation")
    show_link((path / "contact-sheet.png").as_uri(), "evaluation-contact-sheet", "contact sheet")
    mean: Means = to_json(result.document.mean)
    return mean
