"""Where a run's seconds go: clocks, functions timed by name, and figures that are told as soon as they are known."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def watched(device: str) -> Iterator[dict[str, float]]:
    """Seconds spent in the U-Net, autoencoder, ray layout, renderer, gradient and optimiser, by wrapping functions."""
    import torch

    from core.sjc import fit, losses, released
    from core.zero123 import conditioning, model

    spent: dict[str, float] = {}
    clock = clock_of(device)

    def timed(label: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*args: Any, **kwargs: Any) -> Any:
            synchronise(device)
            began = clock()
            try:
                return work(*args, **kwargs)
            finally:
                synchronise(device)
                spent[label] = spent.get(label, 0.0) + clock() - began

        return inner

    places = [
        (model, "denoise", "U-Net"),
        (conditioning, "decode", "autoencoder"),
        (conditioning, "encode_condition", "autoencoder"),
        (fit, "bundle_rays", "ray layout"),
        (fit, "march_rays", "render"),
        (released, "render", "render"),
        (fit, "surface_smoothness", "losses"),
        *((losses, name, "losses") for name in ("spread", "emptiness_text", "near_view", "depth_smoothness")),
        (losses, "input_view", "losses"),
        (fit, "adam", "optimiser"),
        (torch.optim.Adamax, "step", "optimiser"),
        (fit, "carve", "carve"),
        (torch.autograd, "grad", "backward"),
        (torch.Tensor, "backward", "backward"),
    ]
    originals = [(place, name, getattr(place, name)) for place, name, _ in places]
    for place, name, label in places:
        setattr(place, name, timed(label, getattr(place, name)))
    try:
        yield spent
    finally:
        for place, name, original in originals:
            setattr(place, name, original)


def synchronise(device: str) -> None:
    """Wait until a GPU has done what it was asked."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def clock_of(device: str) -> Callable[[], float]:
    """Seconds of this process on a CPU, which others may share; of the wall on a GPU."""
    return time.perf_counter if device.startswith("cuda") else time.process_time


def teller(out: Path | None) -> Callable[..., None]:
    """Prints a figure as soon as it is known and keeps all of them in a file; a list adds to what the key has."""
    known: dict[str, Any] = {}

    def tell(**figures: Any) -> None:
        for key, value in figures.items():
            known[key] = known.get(key, []) + value if isinstance(value, list) else value
            print(f"{key}: {json.dumps(value)}", flush=True)
        if out:
            out.write_text(json.dumps(known, indent=2) + "\n", "utf-8")

    return tell


def gib(count: int) -> float:
    return round(count / 2**30, 2)


def forget_peak(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()


def peak(device: str) -> dict[str, float]:
    """The most GPU memory in use since :func:`forget_peak`, weights included."""
    import torch

    return {"peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2)} if device.startswith("cuda") else {}
