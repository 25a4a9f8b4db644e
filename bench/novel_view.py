"""Seconds a novel view and views a second at several batches, beside the arithmetic floor.

python bench/novel_view.py                          the starter (its weights, or its architecture where they are absent)
python bench/novel_view.py --full --device cuda     the published architecture with random weights, bfloat16
python bench/novel_view.py --shortcut               the gain of the single-token short cut of cross-attention
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

STARTER = Path(__file__).resolve().parents[1] / "models" / "starter"


def random_model(config: Any, device: str, dtype: Any) -> Any:
    """An architecture with random weights, made on the device itself: speed does not depend on their values."""
    import torch

    from core.zero123.model import assemble, empty_parts
    from core.zero123.weights import materialise_positions

    with torch.device("meta"):
        parts = empty_parts(config)
    generator = torch.Generator(device).manual_seed(0)
    for name, part in parts.items():
        if name == "unet":
            part.to(dtype)
        part.to_empty(device=device)
        for tensor in part.state_dict().values():
            tensor.uniform_(-0.03, 0.03, generator=generator)
    materialise_positions(parts["image_encoder"])
    return assemble(config, parts).to(device)


def choose_model(args: argparse.Namespace) -> Any:
    import torch

    from core.zero123 import load_model, published_config, use_single_token_shortcut
    from core.zero123.starter import starter_config

    dtype = getattr(torch, args.dtype or ("bfloat16" if args.device.startswith("cuda") else "float32"))
    if args.full:
        model = random_model(published_config(), args.device, dtype)
    elif STARTER.is_dir():
        model = load_model(STARTER, args.device, dtype=dtype)
    else:
        model = random_model(starter_config(), args.device, dtype)
    if args.compile:
        model.unet.compile()
    use_single_token_shortcut(model)
    return model


def operations(model: Any) -> float:
    """Floating-point operations of one plain U-Net forward of one image (176.3e9 for the published one at 32²)."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from core.zero123.attention import use_single_token_shortcut
    from core.zero123.model import denoise

    use_single_token_shortcut(model, on=False)
    z = torch.zeros(1, model.latent_channels, model.latent_size, model.latent_size, device=model.device)
    context = torch.zeros(1, 1, model.context_size, device=model.device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        denoise(model, z, 1, context, z)
    use_single_token_shortcut(model)
    return counter.get_total_flops()


def synchronise(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds(work: Any, device: str, repeats: int) -> float:
    """The least of some times, after one run that is not counted: wall on a GPU, of one core on a CPU.

    Core time hardly depends on what else the machine does.
    """
    clock = time.perf_counter if device.startswith("cuda") else time.process_time
    work()
    synchronise(device)
    times = []
    for _ in range(repeats):
        start = clock()
        work()
        synchronise(device)
        times.append(clock() - start)
    return min(times)


def time_views(model: Any, batch: int, args: argparse.Namespace) -> dict[str, Any]:
    """One batch of views of one object from cutout to pictures: embedding, denoising, decoding."""
    from core.cameras import Camera
    from core.zero123.params import ViewsParams
    from core.zero123.views import ViewRequest, synthesize

    rgba = np.full((512, 512, 4), 255, np.uint8)
    rgba[56:456, 56:456, :3] = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    targets = tuple(Camera(360 * i / batch, 20.0) for i in range(batch))
    request = ViewRequest(rgba, Camera(0, 20), targets, tuple(range(batch)))
    params = ViewsParams(steps=args.steps, guidance=3.0, batch=batch)
    spent = seconds(lambda: synthesize(model, [request], params), args.device, args.repeats)
    return {"batch": batch, "seconds_a_view": round(spent / batch, 4), "views_a_second": round(batch / spent, 3)}


def time_shortcut(model: Any, args: argparse.Namespace) -> dict[str, Any]:
    """One guided forward (batch 2) with and without the short cut, in turns so that other load hits both."""
    import torch

    from core.zero123.attention import use_single_token_shortcut
    from core.zero123.model import denoise

    shape = (2, model.latent_channels, model.latent_size, model.latent_size)
    z = torch.zeros(shape, device=model.device)
    context = torch.ones(2, 1, model.context_size, device=model.device, dtype=model.dtype)
    best = {True: float("inf"), False: float("inf")}
    outputs = {}
    with torch.no_grad():
        for _ in range(args.repeats):
            for on in (True, False):
                use_single_token_shortcut(model, on)
                best[on] = min(best[on], seconds(lambda: denoise(model, z, 500, context, z), args.device, 2))
                outputs[on] = denoise(model, z, 500, context, z)
    use_single_token_shortcut(model)
    error = float((outputs[True] - outputs[False]).abs().max() / outputs[False].abs().max())
    gain = 1 - best[True] / best[False]
    return {"with": round(best[True], 4), "without": round(best[False], 4), "gain": round(gain, 3), "difference": error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the published architecture (859.5 M) with random weights")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", help="U-Net precision; default bfloat16 on a GPU, float32 else")
    parser.add_argument("--compile", action="store_true", help="torch.compile the U-Net")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tflops", type=float, help="what the device can do, for the floor; default measured")
    parser.add_argument("--shortcut", action="store_true", help="only the gain of the short cut")
    args = parser.parse_args()

    import torch

    torch.set_num_threads(1)  # figures of one core; a GPU does not care
    model = choose_model(args)
    flop = operations(model)
    rate = (args.tflops or matrix_tflops(args.device, model.dtype)) * 1e12
    floor = 2 * flop * args.steps / rate  # guidance doubles
    report: dict[str, Any] = {
        "model": model.name,
        "device": args.device,
        "dtype": str(model.dtype),
        "steps": args.steps,
        "gflop_a_forward": round(flop / 1e9, 2),
        "device_tflops": round(rate / 1e12, 4),
        "floor_seconds_a_view": round(floor, 5),
        "shortcut": time_shortcut(model, args),
    }
    if not args.shortcut:
        report["views"] = [time_views(model, batch, args) for batch in args.batches]
    if args.device.startswith("cuda"):
        report["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    print(json.dumps(report, indent=2))


def matrix_tflops(device: str, dtype: Any) -> float:
    """The rate of a large matrix product on this device, in 10^12 operations a second."""
    import torch

    n = 8192 if device.startswith("cuda") else 1024
    a = torch.ones(n, n, device=device, dtype=dtype)
    return 2 * n**3 / seconds(lambda: a @ a, device, 5) / 1e12


if __name__ == "__main__":
    main()
