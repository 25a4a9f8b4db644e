"""One command for a GPU visit: another round of training on new objects, drawn there, brought back in small files.

    python bench/gpu_visit.py --minutes 9 --out "$OUT"                     on the GPU machine
    python bench/gpu_visit.py --minutes 1 --device cpu --out /tmp/visit    dry run here
    python bench/gpu_visit.py --assemble DIR --to models/starter           the files as a checkpoint

Starts from the shipped weights (``--base``): objects from ``--first-seed`` on (those before trained the base, see its
model card) are rendered into the GPU's memory, then the lift is trained, then the U-Net beside it. Stages end at their
shares of ``--minutes`` whatever happens; learning rates fall to zero at ``--lift-steps`` and ``--unet-steps``, so
choose those from the milliseconds a step that a short visit reports. What comes back is at most 8 files of at most
16 MiB: fp16 shards of the averaged weights, written after every stage, and ``visit.json`` with figures and losses.
Moments of the optimiser stay behind.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core.procedural import ObjectTable, draft_objects
from core.zero123.checkpoints import load_model, save_pretrained
from core.zero123.dataset import HELD_OUT_SEED, latents_of, render_into_memory
from core.zero123.lift import deepened
from core.zero123.lift_training import LiftTrainConfig, train_lift
from core.zero123.shooting import DataConfig
from core.zero123.training import TrainConfig, TrainState, train_unet, with_averages

SHARD_BYTES = 15 * 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--base", type=Path, default=Path("models/starter"))
    parser.add_argument("--deepen", action="store_true", help="give the lift one block more a level first")
    parser.add_argument("--first-seed", type=int, default=37_888)
    parser.add_argument("--objects", type=int, default=120_000, help="at most; a GPU holds 185 kB of each")
    parser.add_argument("--lift-steps", type=int, default=4000)
    parser.add_argument("--lift-batch", type=int, default=512)
    parser.add_argument("--lift-rate", type=float, default=2e-3)
    parser.add_argument("--unet-steps", type=int, default=2500)
    parser.add_argument("--unet-batch", type=int, default=768)
    parser.add_argument("--unet-rate", type=float, default=1.2e-3)
    parser.add_argument("--unet-objects", type=int, default=60_000, help="those with latents")
    parser.add_argument("--seed", type=int, default=37)
    parser.add_argument("--shares", type=float, nargs=3, default=(0.15, 0.58, 0.94), help="when each stage ends")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/meshmill-visit"), help="scratch; not brought back")
    parser.add_argument("--assemble", type=Path, metavar="DIR")
    parser.add_argument("--to", type=Path, default=Path("models/starter"))
    options = parser.parse_args()
    if options.assemble:
        assemble(options)
    else:
        visit(options)


def visit(options: argparse.Namespace) -> None:
    """Render, train the lift, encode, train the U-Net; weights are written after each training."""
    begun = time.monotonic()

    def left(share: float) -> float:
        return float(options.minutes) * share - (time.monotonic() - begun) / 60

    gpu = options.device != "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = gpu
    torch.backends.cudnn.benchmark = gpu
    render_until, lift_until, unet_until = options.shares
    about: dict[str, Any] = {
        "options": {k: v for k, v in vars(options).items() if isinstance(v, int | float | str | bool)},
    }
    data = DataConfig(views=6, first_seed=options.first_seed, objects_per_shard=256 if gpu else 8)
    last = min(options.first_seed + options.objects, HELD_OUT_SEED)
    blocks = [
        range(i, min(i + data.objects_per_shard, last)) for i in range(options.first_seed, last, data.objects_per_shard)
    ]
    workers = max(1, (os.cpu_count() or 2) - 2)
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        drafts = map(table_of, pool.map(drafted, blocks))
        shard = render_into_memory(
            range(options.first_seed, last),
            data,
            options.device,
            drafts=drafts,
            progress=every(50),
            stop=lambda: left(render_until) <= 0,
        )
        pool.shutdown(cancel_futures=True)
    about["device"] = torch.cuda.get_device_name() if gpu else "cpu"
    about["objects"] = len(shard.cameras)
    report("views", objects=about["objects"], minutes=round((time.monotonic() - begun) / 60, 2))

    model = load_model(options.base, options.device)
    if model.lift is None:
        raise SystemExit("the base has no lift")
    if options.deepen:
        model = replace(model, lift=deepened(model.lift))
    lift_settings = LiftTrainConfig(
        seed=options.seed,
        batch=options.lift_batch,
        points=3072,
        learning_rate=options.lift_rate,
        decay_share=0.7,
        ema_decay=0.998,
        bf16=True,
        steps=options.lift_steps,
        checkpoint_seconds=1e9,
    )
    before = time.monotonic()
    state = train_lift(
        model.lift,
        [shard],
        data,
        options.work,
        lift_settings,
        resume=False,
        minutes=left(lift_until),
        progress=every(100),
    )
    about["lift"] = losses_of(state, before)
    report("lift", **about["lift"] | {"losses": "in visit.json"})
    write(model, about, options.out)

    shard = replace(shard, solids=None, frames=None, images=shard.images[: options.unet_objects])
    shard = replace(shard, cameras=shard.cameras[: options.unet_objects], framed=shard.framed[: options.unet_objects])
    shard = replace(shard, latents=latents_of(shard.images, model.vae, 1024 if gpu else 32))
    report("latents", minutes=round((time.monotonic() - begun) / 60, 2))
    unet_settings = TrainConfig(
        seed=options.seed,
        batch=options.unet_batch,
        targets=4,
        optimizer="muon",
        learning_rate=options.unet_rate,
        projection_factor=2.0,
        warmup=50,
        decay_share=0.7,
        ema_decay=0.998,
        bf16=True,
        steps=options.unet_steps,
        checkpoint_seconds=1e9,
    )
    before = time.monotonic()
    state = train_unet(
        model,
        [shard],
        data,
        options.work,
        unet_settings,
        resume=False,
        minutes=left(unet_until),
        progress=every(100),
    )
    about["unet"] = losses_of(state, before)
    about["minutes"] = round((time.monotonic() - begun) / 60, 2)
    if gpu:
        about["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    write(with_averages(model, state), about, options.out)
    report("unet", **about["unet"] | {"losses": "in visit.json", "peak_gib": about.get("peak_gib")})


def drafted(seeds: Sequence[int]) -> dict[str, Any]:
    """Objects as arrays: tensors would travel between processes as open files, too many of them."""
    return {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in vars(draft_objects(seeds)).items()}


def table_of(draft: dict[str, Any]) -> ObjectTable:
    fields: dict[str, Any] = {k: v if isinstance(v, tuple) else torch.from_numpy(v) for k, v in draft.items()}
    return ObjectTable(**fields)


def losses_of(state: TrainState, before: float) -> dict[str, Any]:
    """What a stage did; its losses in a hundred means."""
    losses = [loss for _, loss in state.history]
    width = max(1, len(losses) // 100)
    means = [sum(losses[i : i + width]) / len(losses[i : i + width]) for i in range(0, len(losses), width)]
    return {
        "steps": state.step,
        "samples": state.samples,
        "ms_a_step": round(1000 * (time.monotonic() - before) / max(1, state.step), 1),
        "losses": [round(mean, 5) for mean in means],
    }


def write(model: Any, about: dict[str, Any], out: Path) -> None:
    """All parts in fp16, in as many files of less than 16 MiB as it takes, and what the visit did."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
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
    (out / "visit.json").write_text(json.dumps(about, indent=1))


def assemble(options: argparse.Namespace) -> None:
    """A visit's files as a checkpoint folder that ``core.zero123.load_model`` reads."""
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(options.assemble.glob("weights-??.safetensors")):
        tensors |= load_file(file)
    about = json.loads((options.assemble / "visit.json").read_text())
    model = load_model(options.base)
    if about["options"]["deepen"]:
        model = replace(model, lift=deepened(model.lift))
    for part, module in model.parts.items():
        prefix = part + "."
        module.load_state_dict({k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)})
    info = {"weights": "ema", "licence": "Apache-2.0", "trained_by": "bench/gpu_visit.py", "device": about["device"]}
    if "unet" in about:
        info |= {"steps": about["unet"]["steps"], "samples": about["unet"]["samples"]}
    save_pretrained(replace(model, info=info), options.to, dtype=torch.float16)
    report("assembled", to=options.to, parts=list(model.parts))


def every(count: int) -> Any:
    def progress(step: str, done: int, total: int, **figures: Any) -> None:
        if done % count == 0 or done == 10:
            report(step, done=done, of=total, **figures)

    return progress


def report(stage: str, /, **figures: Any) -> None:
    print(time.strftime("%H:%M:%S"), stage, json.dumps(figures, default=str), flush=True)


if __name__ == "__main__":
    main()
