"""`meshmill train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import Json, put_json, say, sentences

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Train the view model or the segmenter.")

Config = Annotated[Path | None, typer.Option("--config", exists=True, help="JSON file of training parameters.")]
Out = Annotated[Path, typer.Option("--out", help="Everything lands here; the same folder continues the training.")]
Minutes = Annotated[float, typer.Option("--minutes", min=0, help="Stop after so long; run again to go on.")]


@app.command()
def views(
    out: Out,
    data: Annotated[str, typer.Option("--data", help="`procedural`, or a folder of GLBs.")] = "procedural",
    config: Config = None,
    minutes: Minutes = float("inf"),
    json: Json = False,
) -> None:
    """Train Zero-1-to-3 weights on renders of objects; ends with an exported checkpoint folder."""
    with sentences():
        from training.starter import TrainViewsConfig, train_views

        parameters = TrainViewsConfig.model_validate_json(config.read_text("utf-8")) if config else TrainViewsConfig()
        export = train_views(parameters, data, out, minutes=minutes, progress=_lines)
        put_json({"checkpoint": str(export)}) if json else typer.echo(str(export))


@app.command()
def segmenter(
    out: Out,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, help="The whole budget: the learning rate follows it.")
    ] = 45,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Every random draw follows from it.")] = 0,
    start: Annotated[
        Path | None, typer.Option("--start", exists=True, help="Go on from an exported ONNX file, the shipped one too.")
    ] = None,
    json: Json = False,
) -> None:
    """Train the small segmenter on composites of procedural products; ends with an ONNX file."""
    with sentences():
        from training.segmenter.train import train_segmenter

        export = train_segmenter(out, minutes, seed, _lines, start=start)
        put_json({"checkpoint": str(export)}) if json else typer.echo(str(export))


def _lines(step: str, done: int, total: int, **figures: Any) -> None:
    shown = " ".join(f"{name} {value:.4g}" for name, value in figures.items() if isinstance(value, (int, float)))
    say(f"{step} {done}/{total} {shown}")
