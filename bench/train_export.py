"""Export and measure a training run while it goes on (or after): averaged weights in fp16, metrics, sheet, loss curve.

    python bench/train_export.py --run RUN --out models/starter [--config FILE] [--steps 1 10] [--guidance 1]
    python bench/train_export.py --out models/starter                measure the weights that are there

RUN is the ``out_dir`` of ``train_views``, FILE its ``--config``. Writes the checkpoint folder and ``metrics.json`` in
it; pictures go to ``docs/pictures/``. Reads the run's last checkpoint and does not disturb it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import torch

from core.zero123.attention import use_single_token_shortcut
from core.zero123.checkpoints import load_model
from training.dataset import HELD_OUT_SEED, open_shards, shard_of
from training.held_out import contact_sheet, evaluate, folder_cases, loss_curve, predict, procedural_cases
from training.rendering import DataConfig, procedural_shard
from training.starter import TrainViewsConfig, export, resume_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--out", type=Path, default=Path("models/starter"))
    parser.add_argument("--pictures", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--eval-dev", type=Path, default=Path("../shared/eval-dev"))
    parser.add_argument("--objects", type=int, default=32)
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    if options.run:
        given = options.config.read_text("utf-8") if options.config else "{}"
        config = TrainViewsConfig.model_validate_json(given)
        model, state = resume_model(options.run, config)
        fresh = export(model, state, options.run / "export", config)
        shutil.copytree(fresh, options.out, dirs_exist_ok=True)  # beside the model card, which stays
        loss_curve(state.history, options.pictures / "starter-loss.png", "v objective")
    model = load_model(options.out)
    use_single_token_shortcut(model)
    if options.run:
        held = open_shards(options.run / "data" / "held")[0]
    else:
        seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + 64)  # those that a run holds out
        held = shard_of(procedural_shard(seeds, DataConfig(size=model.image_size)))
        held = replace(held, images=held.images.numpy())
    sets = {"procedural": procedural_cases(held, options.objects, options.views)}
    if options.eval_dev.is_dir():
        sets["eval_dev"] = folder_cases(options.eval_dev, model.image_size)
    metrics: dict[str, object] = {
        "step": model.info.get("steps"),
        "samples": model.info.get("samples"),
        "measured": time.strftime("%Y-%m-%d %H:%M"),
    }
    for name, cases in sets.items():
        for steps in options.steps:
            label = f"{name}, {steps} steps"
            metrics[label] = evaluate(model, cases, steps=steps, guidance=options.guidance)
            print(label, json.dumps(metrics[label]), flush=True)
    cases = sets["procedural"]
    images = predict(model, cases, steps=options.steps[0], guidance=options.guidance)
    contact_sheet(cases, images, options.pictures / "starter-sheet.png", objects=12, columns=options.views)
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")


if __name__ == "__main__":
    main()
