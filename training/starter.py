"""The starter: the published architecture with small numbers, and the whole recipe that makes its weights.

    views        procedural objects, rendered once into shards        training.dataset
                 and real meshes, where a folder of them is given     training.meshes
    autoencoder  64x64 pixels to 16x16x8 latents                      training.autoencoder
    latents      every view encoded once: the U-Net never waits       training.dataset
    lift         an image to a coarse volume, by rays of other views  training.lift
    U-Net        the paper's objective with v, CLIP tower jointly     training.unet
    export       averaged weights, fp16, the published folder layout  core.zero123.checkpoints

Every stage continues where it stopped, whatever stopped it.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import CheckpointError
from core.parameters import Parameters
from core.progress import Progress, no_progress
from core.zero123.lift import LIFTED_CHANNELS, lift_config
from core.zero123.model import Schedule, Zero123, Zero123Config, build_model, clip_config, unet_config, vae_config
from training.autoencoder import AutoencoderTrainConfig, train_autoencoder
from training.autoencoder_initial import carry_colour
from training.dataset import build_cache, cache_latents, open_shards, sources_of
from training.held_out import contact_sheet, evaluate, loss_curve, predict, procedural_cases
from training.lift import LiftTrainConfig, train_lift
from training.meshes import credits_of, read_meshes, split
from training.rendering import DataConfig
from training.unet import TrainState, begin, load_state, train_unet, trained_parts, with_averages
from training.unet_config import TrainConfig

MESHES, HELD_MESHES = "meshes", "held-meshes"
"""Folders of real meshes' shards beside the others."""


class TrainViewsConfig(Parameters):
    """The recipe's numbers. Defaults: the starter's on a CPU."""

    data: DataConfig = DataConfig()
    shards: int = 16
    autoencoder: AutoencoderTrainConfig = AutoencoderTrainConfig()
    lift: LiftTrainConfig = LiftTrainConfig()
    unet: TrainConfig = TrainConfig(
        targets=4, optimizer="muon", learning_rate=8e-4, projection_factor=2.0, steps=20_000, decay_share=0.3
    )
    base: str | None = None
    """Fine-tune these weights (Zero-1-to-3 or image-variations Stable Diffusion) instead of training the starter."""
    device: str = "cpu"
    sheet_seconds: float = 900.0
    """Seconds between contact sheets of held-out objects."""
    autoencoder_share: float = 0.3
    """Share of the minutes that views and autoencoder may take before the others get their turn."""
    lift_share: float = 0.7
    """Share of the minutes that may have passed when the U-Net gets its turn."""


def starter_config() -> Zero123Config:
    """64 px images, 16x16x8 latents, 24.6 M parameters in all (49 MB in fp16); sized to train on a CPU in hours."""
    return Zero123Config(
        unet=unet_config(
            latent_size=16,
            latent_channels=8,
            widths=(48, 96, 192),
            attention=(0, 1, 1),
            context=192,
            heads=6,
            layers=1,
            groups=16,
            lifted=LIFTED_CHANNELS,
        ),
        vae=vae_config(image_size=64, latent_channels=8, widths=(16, 32, 64), layers=1, scaling_factor=1.0, groups=4),
        image_encoder=clip_config(size=64, patch=16, width=192, layers=3, heads=6, projection=192),
        lift=lift_config(64, (96, 144, 192), layers=2),
        schedule=Schedule(beta_end=0.016, prediction="v_prediction"),
        name="starter",
    )


def train_views(
    config: TrainViewsConfig,
    data: str | Path,
    out_dir: Path,
    *,
    resume: bool = True,
    minutes: float = float("inf"),
    progress: Progress = no_progress,
) -> Path:
    """Train view weights on ``procedural`` objects or a folder of GLBs; returns the exported checkpoint's folder.

    ``out_dir`` holds everything: ``data/``, ``vae/``, ``unet.pt`` (the state to resume from), ``sheets/``, ``loss.png``
    and ``export/``. Stops after ``minutes`` and continues at the next call. Raises :class:`CheckpointError`.
    """
    started = time.monotonic()

    def left(share: float = 1.0) -> float:
        return minutes * share - (time.monotonic() - started) / 60

    meshes = read_meshes(Path(config.data.meshes)) if config.data.meshes else ()
    train, held = sources_of(data, config.shards, config.data)
    build_cache(out_dir / "data" / "held", held, config.data, device=config.device, progress=progress)
    ready = build_cache(
        out_dir / "data" / "train",
        train,
        config.data,
        device=config.device,
        progress=progress,
        stop=lambda: left(config.autoencoder_share / 2) <= 0 and any((out_dir / "data" / "train").glob("shard-????")),
    )
    parts = ["train", "held"]
    if meshes:
        parts += [MESHES, HELD_MESHES]
        for part, files in zip(parts[2:], split(meshes), strict=True):
            build_cache(out_dir / "data" / part, files, config.data, progress=progress)
    model = start_model(config, out_dir, ready, left(config.autoencoder_share), resume, progress)
    for part in parts:
        cache_latents(out_dir / "data" / part, model.vae, progress=progress)
    shards = open_shards(out_dir / "data" / "train", ready) + open_shards(out_dir / "data" / MESHES, real=True)
    if model.lift is not None:
        lift_minutes = max(0.0, left(config.lift_share))
        train_lift(
            model.lift,
            shards,
            config.data,
            out_dir,
            config.lift,
            resume=resume,
            minutes=lift_minutes,
            progress=progress,
        )
    looked = time.monotonic()

    def look(state: TrainState) -> None:
        nonlocal looked
        loss_curve(state.history, out_dir / "loss.png", "objective")
        if time.monotonic() - looked >= config.sheet_seconds:
            draw_sheet(with_averages(model, state), out_dir, state.step)
            looked = time.monotonic()

    state = train_unet(
        model,
        shards,
        config.data,
        out_dir,
        config.unet,
        resume=resume,
        minutes=max(0.0, left()),
        progress=progress,
        at_checkpoint=look,
    )
    if meshes:
        model = replace(model, info=model.info | {"meshes": credits_of(meshes)})
    return export(model, state, out_dir / "export", config)


def start_model(
    config: TrainViewsConfig, out_dir: Path, shards: int, minutes: float, resume: bool, progress: Progress
) -> Zero123:
    """The base to fine-tune, or a fresh starter around its trained autoencoder."""
    if config.base is not None:
        from training.finetune import load_base

        return load_base(Path(config.base), config.device)
    model = build_model(starter_config(), config.unet.seed, config.device)
    folder = out_dir / "vae"
    if not (folder / "config.json").exists():
        carry_colour(model.vae)
        views = open_shards(out_dir / "data" / "train", shards)
        train_autoencoder(
            model.vae, views, out_dir, config.autoencoder, resume=resume, minutes=max(0.2, minutes), progress=progress
        )
        model.vae.save_pretrained(folder)
    return with_autoencoder(model, folder)


def with_autoencoder(model: Zero123, folder: Path) -> Zero123:
    """The model around the autoencoder of a folder; its encoder and scaling factor fix what latents mean."""
    from diffusers import AutoencoderKL

    vae: Any = AutoencoderKL.from_pretrained(folder, local_files_only=True, low_cpu_mem_usage=False)  # type: ignore[no-untyped-call]
    vae = vae.to(model.device)
    return replace(model, vae=vae.eval().requires_grad_(False))


def resume_model(out_dir: Path, config: TrainViewsConfig) -> tuple[Zero123, TrainState]:
    """The averaged model and the state of a run, for export and measurement while the run goes on."""
    if not (out_dir / "unet.pt").exists():
        raise CheckpointError(f"{out_dir.name} holds no training state yet: unet.pt is missing.")
    model = start_model(config, out_dir, 0, 0, True, no_progress)
    if model.lift is not None:
        train_lift(model.lift, [], config.data, out_dir, config.lift, minutes=0)
    state = begin(model, config.unet)
    load_state(out_dir / "unet.pt", trained_parts(model, config.unet), state)
    return with_averages(model, state), state


def export(model: Zero123, state: TrainState, folder: Path, config: TrainViewsConfig) -> Path:
    """The averaged weights in half precision as a checkpoint folder, with how they came to be."""
    import torch

    from core.zero123.checkpoints import save_pretrained

    info: dict[str, Any] = {
        "weights": "ema",
        "steps": state.step,
        "samples": state.samples,
        "licence": "Apache-2.0",
        "trained_by": "training.starter",
    }
    averaged = replace(with_averages(model, state), info=model.info | info)
    return save_pretrained(averaged, folder, dtype=torch.float16)


def draw_sheet(model: Zero123, out_dir: Path, step: int, objects: int = 10, views: int = 4) -> None:
    """Held-out objects at this step, and held-out meshes: a picture and a line of metrics in ``sheets/`` each."""
    for part, name in (("held", ""), (HELD_MESHES, "meshes-")):
        for shard in open_shards(out_dir / "data" / part, 1):
            cases = procedural_cases(shard, objects, views)
            picture = out_dir / "sheets" / f"{name}step-{step:07d}.png"
            contact_sheet(cases, predict(model, cases, steps=10), picture, len(cases.photos), views)
            with (out_dir / "sheets" / f"{name}metrics.jsonl").open("a") as file:
                file.write(json.dumps({"step": step, **evaluate(model, cases, steps=10)}) + "\n")
