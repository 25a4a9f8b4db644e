"""One command for a GPU visit: Lift-S, then the segmenter for three minutes, brought back in small files.

    python -m bench.gpu_visit --minutes 9.8 --out "$OUT"                         on the GPU machine: 590 s
    python -m bench.gpu_visit --minutes 1 --device cpu --out /tmp/visit          dry run: a tiny net, a few objects
    python -m bench.gpu_visit --assemble DIR [DIR ...] --base models/starter --to models/next

What it needs there: torch with Triton, numpy, pydantic, Pillow, safetensors. Nothing is fetched.

The clock paces everything: renders and steps by turns, a falling learning rate, held-out figures, weights; see
``training/``. ``--work`` keeps the state, so that a second command while the machine is warm goes on; say ``--plan``
then, the lift's minutes over both, or the first ends with a learning rate of zero. ``--start DIR`` begins with the lift
that another visit brought back. At most 8 files of at most 16 MiB come back: fp16 shards of the averaged weights, the
segmenter, ``visit.json``, and a sheet of what the lift makes of held-out photos.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core.zero123.lift import lift_s_config
from core.zero123.lift_s import LiftS
from training import pace as paces
from training.judge import held_out, judge, sheet
from training.lift_s import Learner, Schedule
from training.segmenter_tail import Composing, train_tail

SHARD_BYTES = 15 * 2**20
TAIL, CLOSING = 3.0, 0.6
"""Minutes of the segmenter, and of judging and writing, of a visit of ten."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.8)
    parser.add_argument("--plan", type=float, help="minutes of the lift over all commands; this one's by default")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--block", type=int)
    parser.add_argument("--rate", type=float, default=Schedule.peak)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="a folder of shards to begin with")
    parser.add_argument("--segmenter", type=Path, help="checkpoint.pt of its training, or segmenter.safetensors")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path, default=Path("/tmp/meshmill-visit"), help="state; not brought back")
    parser.add_argument("--assemble", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--base", type=Path, default=Path("models/starter"))
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    if options.assemble:
        assemble(options)
    elif options.out is None:
        parser.error("--out says where the files go")
    else:
        visit(options)


def visit(options: argparse.Namespace) -> None:
    """Compose for the segmenter on the host's cores throughout; train the lift, judge it, then train the segmenter."""
    begun = time.monotonic()
    gpu = options.device != "cpu"
    share = options.minutes / 10
    ends = begun + 60 * (options.minutes - CLOSING * share)
    lift_ends = ends - 60 * TAIL * share
    chosen = {name: getattr(options, name) for name in ("batch", "block", "first_seed") if getattr(options, name)}
    pace = replace(paces.Pace() if gpu else paces.CPU, **chosen)
    about: dict[str, Any] = {"options": {k: str(v) for k, v in vars(options).items() if v is not None}}
    about["device"] = torch.cuda.get_device_name() if gpu else "cpu"
    workers, room, side = (pace.drafters, 30_000, 320) if gpu else (1, 64, 64)
    composing = Composing(options.work / "segmenter", workers, room, side, seed=29, lots=8 if gpu else 1)
    try:
        torch.manual_seed(pace.seed)
        # A dry run learns nothing worth having: a narrow net goes through the same calls.
        net = LiftS(**(lift_s_config() if gpu else lift_s_config(width=48, layers=2, heads=2))).to(options.device)
        if options.start:
            net.load_state_dict(read(options.start, "lift"))
        learner = Learner(net, Schedule(peak=options.rate, warmup=200 if gpu else 10), pace.seed)
        before = paces.resume(learner, options.work / "lift.pt")
        plan = options.plan or before + (lift_ends - time.monotonic()) / 60

        def tell(stage: str, **figures: Any) -> None:
            report(stage, **figures, composed=composing.collect())

        tell("begun", minutes_before=round(before, 2), steps_before=learner.steps, plan=round(plan, 2))
        about["lift"] = train_lift(learner, options.work / "lift.pt", pace, before, plan, lift_ends, tell)
        if gpu:
            about["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
        about["held_out"] = judge(learner.average, held_out(512 if gpu else 4, options.device))
        report("held out", **about["held_out"])
        write(learner.average, about, options.out)
        some = next(held_out(12 if gpu else 2, options.device))
        sheet(learner.average, some).save(options.out / "lift.png")
        composing.collect()
    finally:
        composing.close()
    if composing.photos:
        start = segmenter_state(options.segmenter)
        trained, about["segmenter"] = train_tail(
            composing.photos, torch.device(options.device), ends, start, 64 if gpu else 4
        )
        save_half(trained.state_dict(), options.out / "segmenter.safetensors")
        report("segmenter", **about["segmenter"])
    about["minutes"] = round((time.monotonic() - begun) / 60, 2)
    (options.out / "visit.json").write_text(json.dumps(about, indent=1))
    report("done", minutes=about["minutes"], files=[f"{p.name} {p.stat().st_size}" for p in options.out.iterdir()])


def train_lift(
    learner: Learner, state: Path, pace: paces.Pace, before: float, plan: float, until: float, tell: paces.Report
) -> dict[str, Any]:
    """With half the batch, again and again, if the device has too little memory for a step."""
    while True:
        try:
            return paces.train(learner, state, pace, before, plan, until, tell) | {"batch": pace.batch}
        except torch.cuda.OutOfMemoryError:
            if pace.batch < 32 or learner.steps:
                raise
            pace = replace(pace, batch=pace.batch // 2, room=pace.room // 2)
            torch.cuda.empty_cache()
            tell("too large", batch=pace.batch)


def write(net: LiftS, about: dict[str, Any], out: Path) -> None:
    """The weights in fp16, in as many files of less than 16 MiB as it takes, and what the visit did."""
    out.mkdir(parents=True, exist_ok=True)
    shard: dict[str, torch.Tensor] = {}
    used = index = 0
    for name, value in net.state_dict().items():
        size = 2 * value.numel()
        if used + size > SHARD_BYTES:
            save_half(shard, out / f"lift-{index:02d}.safetensors")
            shard, used, index = {}, 0, index + 1
        shard[name] = value
        used += size
    save_half(shard, out / f"lift-{index:02d}.safetensors")
    about["net"] = net.config
    (out / "visit.json").write_text(json.dumps(about, indent=1))


def save_half(state: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    halves = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in state.items()
    }
    save_file(halves, path)


def read(folder: Path, part: str) -> dict[str, torch.Tensor]:
    """Tensors of a part's shards, float32."""
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob(f"{part}*.safetensors")):
        tensors |= {k: v.float() if v.is_floating_point() else v for k, v in load_file(file).items()}
    return tensors


def segmenter_state(path: Path | None) -> dict[str, torch.Tensor] | None:
    if path is None:
        return None
    if path.suffix == ".safetensors":
        return read(path.parent, path.stem)
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)["average"]
    return state


def assemble(options: argparse.Namespace) -> None:
    """Visits' files as a checkpoint that :func:`core.zero123.load_model` reads; the last that has a part gives it."""
    from core.zero123.checkpoints import load_model, save_pretrained
    from training.segmenter.network import build_network, export_onnx

    if options.to is None:
        raise SystemExit("--to says where the checkpoint goes")
    model = load_model(options.base)
    for folder in options.assemble:
        about = json.loads((folder / "visit.json").read_text())
        net = LiftS(**about["net"])
        net.load_state_dict(read(folder, "lift"))
        lift = {"device": about["device"], "held_out": about["held_out"], "photos": about["lift"]["photos"]}
        model = replace(model, lift=net.eval().requires_grad_(False), info=model.info | {"lift": lift})
        if (folder / "segmenter.safetensors").is_file():
            network = build_network()
            network.load_state_dict(read(folder, "segmenter"))
            options.to.parent.mkdir(parents=True, exist_ok=True)
            options.to.with_suffix(".onnx").write_bytes(export_onnx(network))
    save_pretrained(model, options.to, dtype=torch.float16)
    report("assembled", to=options.to)


def report(stage: str, /, **figures: Any) -> None:
    print(time.strftime("%H:%M:%S"), stage, json.dumps(figures, default=str), flush=True)


if __name__ == "__main__":
    main()
