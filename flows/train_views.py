"""Train the view model as a deployment: bounded in time, continued by the next run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.artifacts import show_text
from flows.pages import training_name
from training.starter import TrainViewsConfig


@flow(name="train_views", flow_run_name=training_name, log_prints=False)
def train_views(
    out: Annotated[str, Field(min_length=1)],
    data: Annotated[str, Field(min_length=1)] = "procedural",
    minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60)] = 60.0,
    config: TrainViewsConfig | None = (None),
) -> str:
    """The exported checkpoint's folder.

    Args:
        out: Folder of the training; the same one continues it.
        data: `procedural`, or a folder of GLBs.
        minutes: Stop after so long.
        config: The training's numbers; the starter's if absent.
    """
    from training.starter import train_views as train

    export = train(config or TrainViewsConfig(), data, Path(out), minutes=minutes)
    show_text(f"Checkpoint in `{export}`", "trained-views")
    return str(export)
