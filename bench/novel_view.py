"""Seconds a novel view and views a second at several batches, beside the arithmetic floor.

python bench/novel_view.py                          the starter (its weights, or its architecture where they are absent)
python bench/novel_view.py --full --device cuda     the published architecture with random weights, bfloat16
python bench/novel_view.py --shortcut               the gain of the single-token short cut of cross-attention
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from stopwatch import forget_peak, peak, synchronise, teller

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
    from training.starter import starter_config

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
    z, context, concat = inputs(model, 1)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        denoise(model, z, 1, context, concat)
    use_single_token_shortcut(model)
    return counter.get_total_flops()


def inputs(model: Any, images: int) -> tuple[Any, Any, Any]:
    """Noisy latents, context and concatenated condition of a forward, drawn at random."""
    import torch

    generator = torch.Generator(model.device).manual_seed(0)
    told = int(model.unet.config.in_channels) - model.latent_channels  # a lift's view comes after the photo's latent

    def draw(*shape: int) -> Any:
        return torch.randn(shape, device=model.device, generator=generator)

    side = model.latent_size
    context = draw(images, 1, model.context_size).to(model.dtype)
    return draw(images, model.latent_channels, side, side), context, draw(images, told, side, side)


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
    from core.zero123.synthesis import ViewRequest, synthesize

    rgba = np.full((512, 512, 4), 255, np.uint8)
    rgba[56:456, 56:456, :3] = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    targets = tuple(Camera(360 * i / batch, 20.0) for i in range(batch))
    request = ViewRequest(rgba, Camera(0, 20), targets, tuple(range(batch)))
    params = ViewsParams(steps=args.steps, guidance=3.0, batch=batch)
    forget_peak(args.device)
    spent = seconds(lambda: synthesize(model, [request], params), args.device, args.repeats)
    row = {"batch": batch, "seconds_a_view": round(spent / batch, 4), "views_a_second": round(batch / spent, 3)}
    return row | peak(args.device)


def time_forward(model: Any, images: int, flop: float, args: argparse.Namespace) -> dict[str, Any]:
    """One U-Net pass over ``images`` latents: as it is called, and on a GPU replayed as a graph.

    What a graph saves is the time in which the GPU waits for the next kernel to be asked for.
    """
    import torch

    from core.zero123.model import denoise

    z, context, concat = inputs(model, images)
    t = torch.full((images,), 500, device=args.device)
    with torch.no_grad():
        spent = seconds(lambda: denoise(model, z, t, context, concat), args.device, args.repeats)
        row = {"images": images, "seconds": round(spent, 5), "tflops": round(images * flop / spent / 1e12, 3)}
        if not args.device.startswith("cuda"):
            return row
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                denoise(model, z, t, context, concat)
            replayed = seconds(graph.replay, args.device, args.repeats)
        except RuntimeError as error:
            return row | {"graph": str(error).splitlines()[0][:200]}
    return row | {"graph_seconds": round(replayed, 5), "graph_tflops": round(images * flop / replayed / 1e12, 3)}


def time_shortcut(model: Any, args: argparse.Namespace) -> dict[str, Any]:
    """One guided forward (batch 2) with and without the short cut, in turns so that other load hits both."""
    import torch

    from core.zero123.attention import use_single_token_shortcut
    from core.zero123.model import denoise

    z, context, concat = inputs(model, 2)
    best = {True: float("inf"), False: float("inf")}
    outputs = {}
    with torch.no_grad():
        for _ in range(args.repeats):
            for on in (True, False):
                use_single_token_shortcut(model, on)
                best[on] = min(best[on], seconds(lambda: denoise(model, z, 500, context, concat), args.device, 2))
                outputs[on] = denoise(model, z, 500, context, concat)
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
    parser.add_argument("--out", type=Path, help="a JSON file, written anew after every figure")
    args = parser.parse_args()

    import torch

    torch.set_num_threads(1)  # figures of one core; a GPU does not care
    tell = teller(args.out)
    tell(device=args.device, steps=args.steps)
    began = time.perf_counter()
    model = choose_model(args)
    synchronise(args.device)
    tell(model=model.name, dtype=str(model.dtype), build_seconds=round(time.perf_counter() - began, 2))
    if args.device.startswith("cuda"):
        tell(gpu=torch.cuda.get_device_name())
    flop = operations(model)
    rate = (args.tflops or matrix_tflops(args.device, model.dtype)) * 1e12
    floor = 2 * flop * args.steps / rate  # guidance doubles
    tell(
        gflop_a_forward=round(flop / 1e9, 2),
        device_tflops=round(rate / 1e12, 4),
        floor_seconds_a_view=round(floor, 5),
    )
    if not args.shortcut:
        for batch in args.batches:
            tell(views=[time_views(model, batch, args)])
    tell(shortcut=time_shortcut(model, args))
    if not args.shortcut:
        for batch in args.batches:
            tell(forwards=[time_forward(model, 2 * batch, flop, args)])


def matrix_tflops(device: str, dtype: Any) -> float:
    """The rate of a large matrix product on this device, in 10^12 operations a second."""
    import torch

    n = 8192 if device.startswith("cuda") else 1024
    a = torch.randn(n, n, device=device, dtype=dtype)  # equal numbers cost less power and run faster
    return 2 * n**3 / seconds(lambda: a @ a, device, 5) / 1e12


if __name__ == "__main__":
    main()
