"""One command for a GPU visit: views made on the GPU, autoencoder, U-Net, measured and brought back in small files.

    python bench/gpu_visit.py --minutes 9 --out "$OUT" [--resume DIR]           on the GPU machine
    python bench/gpu_visit.py --minutes 1 --device cpu --small --out /tmp/visit  dry run here

A second visit continues from the files of the first (``--resume``: the folder they lie in). What comes back is at
most 8 files of at most 16 MiB: fp16 shards of the averaged weights (``weights-0k.safetensors``), ``visit.json``
(configuration, metrics), the loss curve and a contact sheet of held-out objects. Moments of the optimiser stay
behind: a resumed visit warms up again. ``--assemble DIR --to models/starter`` turns the files into a checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from core.zero123.autoencoder_start import carry_colour
from core.zero123.autoencoder_training import AutoencoderTrainConfig, train_autoencoder
from core.zero123.dataset import HELD_OUT_SEED, build_cache, cache_latents, on_device, open_shards
from core.zero123.heldout import contact_sheet, evaluate, loss_curve, predict, procedural_cases
from core.zero123.lift_training import LiftTrainConfig, train_lift
from core.zero123.model import build_model, empty_parts
from core.zero123.shooting import DataConfig
from core.zero123.starter import large_starter_config, starter_config
from core.zero123.training import TrainConfig, train_unet, with_averages

SHARD_BYTES = 15 * 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="the CPU starter's architecture instead of the 128 px one")
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/meshmill-visit"), help="scratch; not brought back")
    parser.add_argument("--resume", type=Path, help="files of an earlier visit")
    parser.add_argument("--compile", action="store_true", help="torch.compile the U-Net")
    parser.add_argument("--assemble", type=Path, metavar="DIR")
    parser.add_argument("--to", type=Path, default=Path("models/starter"))
    options = parser.parse_args()
    if options.assemble:
        assemble(options.assemble, options.to)
    else:
        visit(options)


def visit(options: argparse.Namespace) -> None:
    """Views (a fifth of the time at most), autoencoder (until two fifths), a lift (until .65), U-Net (until .93)."""
    begun = time.monotonic()
    total = float(options.minutes) * 60

    def left(share: float) -> float:
        return (total * share - (time.monotonic() - begun)) / 60

    gpu = options.device != "cpu"
    architecture = starter_config() if options.small else large_starter_config()
    size = 64 if options.small else 128
    data = DataConfig(size=size, render_size=size * 3 // 2, objects_per_shard=1024 if gpu else 8)
    held = build_cache(
        options.work / "held", range(HELD_OUT_SEED, HELD_OUT_SEED + (64 if gpu else 4)), data, device=options.device
    )
    cache = options.work / "train"
    ready = build_cache(
        cache,
        range(options.objects),
        data,
        device=options.device,
        stop=lambda: left(0.2) <= 0 and any(cache.glob("shard-????")),
    )
    report("views", shards=ready, held=held, minutes=round((time.monotonic() - begun) / 60, 2))
    model = build_model(architecture, device=options.device)
    old = read_visit(options.resume) if options.resume else None
    if old is not None:
        load_tensors(model, old[1])
        model.vae.register_to_config(scaling_factor=old[0]["scaling_factor"])
        model.vae.eval().requires_grad_(False)
    else:
        carry_colour(model.vae)
        settings = AutoencoderTrainConfig(
            batch=128 if gpu else 4,
            steps=6000 if gpu else 6,
            decay_from=0.7,
            learning_rate=1e-3,
            ema_decay=0.998,
            bf16=gpu,
        )
        train_autoencoder(model.vae, open_shards(cache), options.work, settings, minutes=left(0.4), progress=every(200))
    for folder in (cache, options.work / "held"):
        cache_latents(folder, model.vae, batch=512 if gpu else 52)
    report("latents", minutes=round((time.monotonic() - begun) / 60, 2))
    if model.lift is not None and old is None:
        settings_l = LiftTrainConfig(batch=256, steps=8000) if gpu else LiftTrainConfig(batch=2, rays=8, steps=2)
        lift_state = train_lift(
            model.lift, open_shards(cache), data, options.work, settings_l, minutes=left(0.65), progress=every(200)
        )
        report("lift", step=lift_state.step, minutes=round((time.monotonic() - begun) / 60, 2))
    if options.compile:
        model.unet.forward = torch.compile(model.unet.forward)
    settings_u = TrainConfig(
        batch=512 if gpu else 4,
        learning_rate=4e-4,
        ema_decay=0.9995,
        bf16=gpu,
        targets=4 if model.lift is not None else 1,
        seed=ready + (old[0]["step"] if old else 0),
    )
    shards = on_device(open_shards(cache), options.device)
    state = train_unet(
        model, shards, data, options.work, settings_u, resume=False, minutes=left(0.93), progress=every(200)
    )
    averaged = with_averages(model, state)
    cases = procedural_cases(open_shards(options.work / "held")[0], 64 if gpu else 4, 4 if gpu else 1)
    metrics = evaluate(averaged, cases, steps=20 if gpu else 2)
    options.out.mkdir(parents=True, exist_ok=True)
    contact_sheet(cases, predict(averaged, cases, steps=20 if gpu else 2), options.out / "sheet.png")
    loss_curve(state.history, options.out / "loss.png", "v objective")
    write_shards(averaged, options.out)
    about = {
        "small": options.small,
        "step": state.step + (old[0]["step"] if old else 0),
        "samples": state.samples + (old[0]["samples"] if old else 0),
        "scaling_factor": averaged.scaling_factor,
        "metrics": metrics,
        "minutes": round((time.monotonic() - begun) / 60, 2),
        "device": torch.cuda.get_device_name() if gpu else "cpu",
    }
    (options.out / "visit.json").write_text(json.dumps(about, indent=1))
    report("done", **about)


def write_shards(model: Any, out: Path) -> None:
    """All parts in fp16, in as many files of less than 16 MiB as it takes (at most five)."""
    from safetensors.torch import save_file

    shard: dict[str, torch.Tensor] = {}
    used = index = 0
    for part, module in model.parts.items():
        for name, value in module.state_dict().items():
            half = value.detach().cpu().half().contiguous()
            if used + half.nbytes > SHARD_BYTES:
                save_file(shard, out / f"weights-{index:02d}.safetensors")
                shard, used, index = {}, 0, index + 1
            shard[f"{part}.{name}"] = half
            used += half.nbytes
    save_file(shard, out / f"weights-{index:02d}.safetensors")


def read_visit(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("weights-??.safetensors")):
        tensors |= load_file(file)
    return json.loads((folder / "visit.json").read_text()), tensors


def load_tensors(model: Any, tensors: dict[str, torch.Tensor]) -> None:
    for part, module in model.parts.items():
        prefix = part + "."
        module.load_state_dict({k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)})


def assemble(folder: Path, to: Path) -> None:
    """A visit's files as a checkpoint folder that ``core.zero123.load_model`` reads."""
    from dataclasses import replace

    from core.zero123 import save_pretrained

    about, tensors = read_visit(folder)
    architecture = starter_config() if about["small"] else large_starter_config()
    model = build_model(architecture)
    load_tensors(model, tensors)
    model.vae.register_to_config(scaling_factor=about["scaling_factor"])
    info = {"weights": "ema", "licence": "Apache-2.0", **{k: about[k] for k in ("step", "samples", "device")}}
    save_pretrained(replace(model, info=info), to, dtype=torch.float16)
    report("assembled", parts=list(empty_parts(architecture)))


def every(count: int) -> Any:
    def progress(step: str, done: int, total: int, **figures: Any) -> None:
        if done % count == 0:
            report(step, done=done, **figures)

    return progress


def report(stage: str, /, **figures: Any) -> None:
    print(time.strftime("%H:%M:%S"), stage, json.dumps(figures, default=str), flush=True)


if __name__ == "__main__":
    main()
