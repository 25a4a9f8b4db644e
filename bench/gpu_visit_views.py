"""One command for a GPU visit: another round of training on new objects, drawn there, brought back in small files.

    python bench/gpu_visit_views.py --minutes 9 --out "$OUT"                     on the GPU machine
    python bench/gpu_visit_views.py --minutes 5 --device cpu --objects 64 --block 8 --lift-batch 4 --unet-batch 4 \
        --unet-objects 16 --shares .03 .5 .95 --out /tmp/visit             dry run here
    python bench/gpu_visit_views.py --assemble DIR --to models/starter           the files as a checkpoint

Starts from the shipped weights (``--base``): objects from ``--first-seed`` on (those before trained the base, see its
model card) are rendered into the GPU's memory, then the lift is trained while the CPU's cores render others, then the
U-Net beside it. Stages end at their ``--shares`` of the minutes: some first steps are timed, and the learning rate
falls to zero where the time will be up. What comes back is at most 8 files of at most 16 MiB: fp16 shards of the
averaged weights, written after every stage, and ``visit.json`` with figures and losses. Moments of the optimiser stay
behind.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, repeat
from math import inf
from pathlib import Path
from typing import Any

import torch

from core.progress import Progress
from core.zero123.checkpoints import load_model, save_pretrained
from core.zero123.lift import deepened
from core.zero123.model import Zero123
from training.dataset import Shard, ShardInMemory, latents_of, shard_of
from training.held_out import loss_curve
from training.lift import LiftTrainConfig, train_lift
from training.procedural import ObjectTable, draft_objects
from training.rendering import DataConfig, procedural_shard
from training.unet import READ_EVERY, TrainState, train_unet, with_averages
from training.unet_config import TrainConfig

SHARD_BYTES = 15 * 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--base", type=Path, default=Path("models/starter"))
    parser.add_argument("--deepen", action="store_true", help="give the lift one block more a level first")
    parser.add_argument("--first-seed", type=int, default=400_000)
    parser.add_argument("--objects", type=int, default=200_000, help="at most; a GPU holds 185 kB of each")
    parser.add_argument("--block", type=int, default=256, help="objects rendered together")
    parser.add_argument("--lift-batch", type=int, default=384)
    parser.add_argument("--lift-rate", type=float, default=2e-3)
    parser.add_argument("--unet-batch", type=int, default=512)
    parser.add_argument("--unet-rate", type=float, default=1.2e-3)
    parser.add_argument("--unet-objects", type=int, default=40_000, help="those with latents")
    parser.add_argument("--seed", type=int, default=37)
    parser.add_argument("--shares", type=float, nargs=3, default=(0.27, 0.66, 0.95), help="when each stage ends")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/meshmill-visit"), help="scratch; not brought back")
    parser.add_argument("--assemble", type=Path, metavar="DIR")
    parser.add_argument("--to", type=Path, default=Path("models/starter"))
    parser.add_argument(
        "--pictures", type=Path, default=Path("docs/pictures"), help="where --assemble draws the losses"
    )
    options = parser.parse_args()
    if options.assemble:
        assemble(options)
    else:
        visit(options)


def visit(options: argparse.Namespace) -> None:
    """Render on the GPU for a while and on the other cores throughout; train; weights are written after each stage."""
    begun = time.monotonic()

    def left(share: float) -> float:
        return float(options.minutes) * share - (time.monotonic() - begun) / 60

    gpu = options.device != "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = gpu
    torch.backends.cudnn.benchmark = gpu
    render_until = options.shares[0]
    about: dict[str, Any] = {
        "options": {k: v for k, v in vars(options).items() if isinstance(v, int | float | str | bool)},
    }
    data = DataConfig(views=6, first_seed=options.first_seed)
    store = ShardInMemory(options.objects, options.device)
    workers = max(1, (os.cpu_count() or 3) - 3)
    with (
        ProcessPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as drafters,
        ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as renderers,
    ):
        others = Stream(renderers, workers, data, options.first_seed + options.objects, options.block // 4)
        others.into(store)
        starts = range(options.first_seed, options.first_seed + options.objects, 8 * options.block)
        drafts = drafters.map(drafted, [range(i, i + 8 * options.block) for i in starts], repeat(options.block))
        loading = ThreadPoolExecutor(1).submit(load_model, options.base, options.device)  # its libraries take seconds
        for seeds, draft in chain.from_iterable(drafts):
            if left(render_until) <= 0 and store.count:
                break
            store.add(shard_of(procedural_shard(seeds, data, options.device, table_of(draft))))
            others.into(store)
        drafters.shutdown(wait=False, cancel_futures=True)
        about["device"] = torch.cuda.get_device_name() if gpu else "cpu"
        about["objects_at_first"] = store.count
        report("views", objects=store.count, by_others=others.done, minutes=since(begun))
        train(options, loading.result(), store, others, data, about, left)


class Stream:
    """Objects that other processes render while the GPU works."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int, data: DataConfig, first_seed: int, block: int) -> None:
        self.pool, self.data, self.next, self.block, self.done = pool, data, first_seed, block, 0
        self.waiting: list[Future[Any]] = []
        self.ahead = 2 * workers  # as many wait as work

    def into(self, store: ShardInMemory) -> None:
        """Take what is ready, ask for more. A visit goes on without processes that died."""
        for future in [future for future in self.waiting if future.done()]:
            self.waiting.remove(future)
            try:
                store.add(Shard(**future.result()))
                self.done += self.block
            except (RuntimeError, OSError) as error:
                report("a renderer died", error=error)
                self.ahead = 0
        while len(self.waiting) < self.ahead and store.count < store.room:
            seeds = range(self.next, self.next + self.block)
            self.waiting.append(self.pool.submit(rendered, seeds, self.data))
            self.next += self.block

    def stop(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)


def train(
    options: argparse.Namespace,
    model: Zero123,
    store: ShardInMemory,
    others: Stream,
    data: DataConfig,
    about: dict[str, Any],
    left: Callable[[float], float],
) -> None:
    """The lift on a growing store, then the U-Net on the first objects of it."""
    gpu = options.device != "cpu"
    _, lift_until, unet_until = options.shares
    begun = time.monotonic()
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
        bf16=gpu,
        checkpoint_seconds=1e9,
    )
    shards = [store.shard()]
    tell = every(100)

    def train_lift_for(net: Any, steps: int, progress: Progress, minutes: float = inf) -> TrainState:
        settings = lift_settings.model_copy(update={"steps": steps})
        return train_lift(net, shards, data, options.work, settings, resume=False, minutes=minutes, progress=progress)

    def grow(step: str, done: int, total: int, **figures: Any) -> None:
        tell(step, done, total, **figures)
        if done % 20 == 0:
            others.into(store)
            shards[0] = store.shard()

    pace = seconds_a_step(lambda steps, progress: train_lift_for(copy.deepcopy(model.lift), steps, progress))
    steps = int(60 * left(lift_until) / pace)
    report("lift", steps=steps, seconds_a_step=round(pace, 4), minutes=since(begun))
    before = time.monotonic()
    state = train_lift_for(model.lift, steps, grow, left(lift_until + 0.01))
    about["lift"] = losses_of(state, before) | {"planned": steps, "objects": store.count, "by_others": others.done}
    report("lift", **about["lift"] | {"losses": "in visit.json"})
    others.stop()
    write(model, about, options.out)

    shard = store.shard(options.unet_objects)
    shards = [replace(shard, solids=None, latents=latents_of(shard.images, model.vae, 1024 if gpu else 32))]
    report("latents", objects=len(shard.cameras), minutes=since(begun))
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
        bf16=gpu,
        checkpoint_seconds=1e9,
    )

    def train_unet_for(model: Zero123, steps: int, progress: Progress, minutes: float = inf) -> TrainState:
        settings = unet_settings.model_copy(update={"steps": steps})
        return train_unet(model, shards, data, options.work, settings, resume=False, minutes=minutes, progress=progress)

    def copied() -> Zero123:
        learning = ("unet", "projection", "image_encoder")
        return replace(model, **{name: copy.deepcopy(getattr(model, name)) for name in learning})

    pace = seconds_a_step(lambda steps, progress: train_unet_for(copied(), steps, progress))
    steps = int(60 * left(unet_until) / pace)
    report("unet", steps=steps, seconds_a_step=round(pace, 4), minutes=since(begun))
    before = time.monotonic()
    state = train_unet_for(model, steps, every(100), left(unet_until + 0.01))
    about["unet"] = losses_of(state, before) | {"planned": steps, "objects": len(shard.cameras)}
    if gpu:
        about["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    write(with_averages(model, state), about, options.out)
    report("unet", **about["unet"] | {"losses": "in visit.json", "peak_gib": about.get("peak_gib")})


def seconds_a_step(train: Callable[[int, Progress], Any]) -> float:
    """Of a short run's second half: losses are read at both its ends, so the device has done its work by then."""
    at: dict[int, float] = {}

    def mark(step: str, done: int, total: int, **figures: Any) -> None:
        at[done] = time.monotonic()

    train(2 * READ_EVERY, mark)
    return (at[2 * READ_EVERY] - at[READ_EVERY]) / READ_EVERY


def since(begun: float) -> float:
    return round((time.monotonic() - begun) / 60, 2)


def drafted(seeds: Sequence[int], block: int) -> list[tuple[list[int], dict[str, Any]]]:
    """Objects as arrays (tensors would travel between processes as open files, too many of them), in blocks.

    Sorted by their rows: a block is computed together, and all are padded to its longest.
    """
    table = draft_objects(seeds)
    table = table.reordered((table.kind >= 0).sum(1).argsort())
    parts = [table.pick(start, start + block) for start in range(0, len(seeds), block)]
    return [(list(part.seeds), as_arrays(part)) for part in parts]


def rendered(seeds: Sequence[int], data: DataConfig) -> dict[str, Any]:
    """The arrays of a shard, on a CPU."""
    return as_arrays(shard_of(procedural_shard(seeds, data)))


def as_arrays(item: Any) -> dict[str, Any]:
    """The fields of a dataclass, tensors as arrays."""
    return {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in vars(item).items()}


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
    info = {
        "weights": "ema",
        "licence": "Apache-2.0",
        "trained_by": "bench/gpu_visit_views.py",
        "device": about["device"],
    }
    if "unet" in about:
        info |= {"steps": about["unet"]["steps"], "samples": about["unet"]["samples"]}
    save_pretrained(replace(model, info=info), options.to, dtype=torch.float16)
    for stage, picture in {"lift": "starter-lift-loss.png", "unet": "starter-loss.png"}.items():
        if stage in about:
            losses, steps = about[stage]["losses"], about[stage]["steps"]
            history = [(round((i + 1) * steps / len(losses)), loss) for i, loss in enumerate(losses)]
            loss_curve(history, options.pictures / picture)
    report("assembled", to=options.to, parts=list(model.parts))


def every(count: int) -> Any:
    def progress(step: str, done: int, total: int, **figures: Any) -> None:
        if done % count == 0 or done == READ_EVERY:
            report(step, done=done, of=total, **figures)

    return progress


def report(stage: str, /, **figures: Any) -> None:
    print(time.strftime("%H:%M:%S"), stage, json.dumps(figures, default=str), flush=True)


if __name__ == "__main__":
    main()
