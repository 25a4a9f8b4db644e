"""Training of the starter segmenter on composites, within a time budget, resumable at any moment."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from copy import deepcopy
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.progress import Progress, no_progress
from core.whole_file import whole_file
from training.precision import half_precision
from training.segmenter.composites import KINDS, Sample, compose
from training.segmenter.exported_weights import load_exported
from training.segmenter.network import (
    DEVIATION,
    INNER_SIDE,
    MEAN,
    NEXT,
    SHIPPED,
    Layout,
    build_network,
    export_onnx,
)
from training.segmenter.products import HELD_OUT_SEEDS, render_products
from training.segmenter.stock import FEW, PICTURE, Stock, cropped
from training.segmenter.textures import make_texture

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH = 8
"""Photos of a step at the full side; smaller photos come in larger batches."""

LEARNING_RATE, DECAY_FROM = 2e-3, 0.6
GENTLE = 3e-4
"""Learning rate of what goes on from an exported file."""

EMA = 0.999
SIDES = ((0.4, 160), (0.75, 224), (1.0, INNER_SIDE))
"""Side of the training photos up to each fraction of the budget: cheap small ones first."""

EDGES = 0.1
"""Weight of the slopes' difference in the loss."""

AHEAD = 4
"""Batches composed ahead of the step that learns from them."""


def train_segmenter(
    out_dir: Path,
    minutes: float,
    seed: int = 0,
    progress: Progress = no_progress,
    first_lots: int = FEW,
    start: Path | None = None,
) -> Path:
    """Train for ``minutes`` in all (earlier runs in ``out_dir`` counted), then export ``out_dir/starter.onnx``.

    A checkpoint is written every two minutes; the same call continues from it. ``metrics.json`` beside it holds mask
    IoU on composites of held-out objects. One thread unless the caller set more, and one process that composes the
    photos; convolutions run in bfloat16 where there are units for it. The seed decides objects, composites and initial
    weights, the clock decides the number of steps. ``start`` is an exported file to go on from: with its own layout, at
    its own side, gently, and with normalisations as they are.
    """
    import torch

    out_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network, layout = build_network(), NEXT
    if start is not None:
        stock = Stock(out_dir, seed)
        stock.grow(0, first_lots)
        shots = [compose(np.random.default_rng([seed, 3, i]), stock.products, stock.textures, 192) for i in range(32)]
        network, layout = begun_with(start, batch(shots)[0])
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    state = {"step": 0, "seconds": 0.0}
    path = out_dir / "checkpoint.pt"
    if path.is_file():
        saved = torch.load(path, weights_only=True)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]
    peak = LEARNING_RATE if start is None else GENTLE
    budget = minutes * 60
    clock, written = time.monotonic() - state["seconds"], time.monotonic()
    losses: list[float] = []
    network.train()
    for module in network.modules():
        if start is not None and isinstance(module, torch.nn.BatchNorm2d):
            module.eval()

    def side_now() -> int:
        if start is not None:
            return layout.side
        done = (time.monotonic() - clock) / budget
        return next((side for end, side in SIDES if done <= end), SIDES[-1][1])

    with _Composer(out_dir, seed, first_lots, int(state["step"]), side_now) as composer:
        while (elapsed := time.monotonic() - clock) < budget:
            step = int(state["step"])
            photos, masks = (torch.from_numpy(part) for part in composer.take())
            rate = peak * learning_rate(step, elapsed / budget)
            keep = min(EMA, (step + 1) / (step + 10))
            losses.append(float(learn(network, average, optimizer, photos, masks, rate, keep)))
            state = {"step": step + 1, "seconds": time.monotonic() - clock}
            side = masks.shape[-1]
            progress("train", int(elapsed), int(budget), steps=step, side=side, loss=float(np.mean(losses[-200:])))
            if time.monotonic() - written > 120:
                _write(path, network, average, optimizer, state)
                written = time.monotonic()
    _write(path, network, average, optimizer, state)
    result = out_dir / "starter.onnx"
    result.write_bytes(export_onnx(average, layout.side))
    metrics = {"steps": state["step"], "seconds": round(state["seconds"]), "held_out": validate(average, layout.side)}
    (out_dir / "metrics.json").write_text(json.dumps(metrics, indent=1))
    return result


def begun_with(start: Path, photos: Tensor) -> tuple[nn.Module, Layout]:
    """A network with the weights of an exported file, and its layout: the shipped one or the next.

    ``photos (B, 3, S, S)`` as :func:`training.segmenter.exported_weights.load_exported` wants them. Raises
    :class:`InputError` where the file is of neither layout.
    """
    for layout in (NEXT, SHIPPED):
        network = build_network(layout)
        try:
            load_exported(network, start, photos)
        except (KeyError, ValueError):  # a node's input that is none of the file's arrays; arrays of other shapes
            continue
        return network, layout
    raise InputError(f"{start.name} is not an export of the segmenter that is trained here.")


class _Composer:
    """Batches of the steps from ``step`` on, composed by another process while this one learns."""

    def __init__(self, folder: Path, seed: int, first_lots: int, step: int, side: Callable[[], int]) -> None:
        self.pool = ProcessPoolExecutor(1, get_context("spawn"), _open_stock, (folder, seed, first_lots))
        self.next, self.side = step, side
        self.waiting: deque[Future[tuple[NDArray[np.float32], NDArray[np.float32]]]] = deque()

    def __enter__(self) -> _Composer:
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    def take(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        while len(self.waiting) < AHEAD:
            self.waiting.append(self.pool.submit(_composed, self.next, self.side()))
            self.next += 1
        return self.waiting.popleft().result()


_stock: tuple[Stock, int, int] | None = None
"""Of the composing process."""


def _open_stock(folder: Path, seed: int, first_lots: int) -> None:
    import torch

    global _stock
    torch.set_num_threads(1)
    _stock = Stock(folder, seed), seed, first_lots


def _composed(step: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Photos and masks of one step."""
    assert _stock is not None
    stock, seed, first_lots = _stock
    stock.grow(step, first_lots)
    rng = np.random.default_rng([seed, 1, step])
    count = round(BATCH * (INNER_SIDE / side) ** 2)
    photos, masks = batch([compose(rng, stock.products, stock.textures, side) for _ in range(count)])
    return photos.numpy(), masks.numpy()


def learn(
    network: nn.Module, average: nn.Module, optimizer: Any, photos: Tensor, masks: Tensor, rate: float, keep: float
) -> Tensor:
    """One step on photos ``(B, 3, S, S)`` and masks ``(B, 1, S, S)`` of the network's device; the loss.
    ``average`` keeps ``keep`` of itself."""
    import torch

    for group in optimizer.param_groups:
        group["lr"] = rate
    with half_precision(photos.device):
        fine, coarse = network(photos.contiguous(memory_format=torch.channels_last))
    small = torch.nn.functional.avg_pool2d(masks, 8)
    loss = mask_loss(fine.float(), masks) + 0.4 * mask_loss(coarse.float(), small)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimizer.step()
    _follow(average, network, keep)
    return loss.detach()


def learning_rate(step: int, done: float) -> float:
    """Of the peak: a hundred steps of warm-up, constant, then half a cosine to nothing over the budget's last part.

    ``done`` is the share of the budget. Constant for long, so that a budget may be changed while training goes on.
    """
    decay = max(0.0, done - DECAY_FROM) / (1 - DECAY_FROM)
    return min(1.0, (step + 1) / 100) * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, decay))) / 2)


def batch(samples: list[Sample]) -> tuple[Tensor, Tensor]:
    """Photos ``(B, 3, S, S)``, normalised exactly as rembg's session does, and masks ``(B, 1, S, S)``."""
    import torch

    photos = np.stack([sample.rgb for sample in samples]).astype(np.float32)
    photos = photos / np.maximum(photos.max((1, 2, 3), keepdims=True), np.float32(1e-6))
    photos = np.asarray((photos - np.array(MEAN)) / np.array(DEVIATION), np.float32)
    masks = np.stack([sample.alpha for sample in samples])[:, None]
    return torch.from_numpy(np.ascontiguousarray(photos.transpose(0, 3, 1, 2))), torch.from_numpy(masks)


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy, heavier along outlines, plus one minus the soft IoU of each photo that has an object, plus
    what the mask's slopes differ from the true ones beside outlines: these must be where they are and as steep.

    Slopes compared everywhere, of weight .15, held a fresh network at the blank mask: it never learnt.
    """
    import torch
    from torch.nn import functional as F

    outline = F.max_pool2d(masks, 7, 1, 3) + F.max_pool2d(-masks, 7, 1, 3)
    entropy = (F.binary_cross_entropy_with_logits(logits, masks, reduction="none") * (1 + 3 * outline)).mean()
    guess = torch.sigmoid(logits)
    both = (guess * masks).sum((1, 2, 3))
    either = (guess + masks - guess * masks).sum((1, 2, 3))
    there = (masks.sum((1, 2, 3)) > 0).float()
    band = (outline > 0).float()
    slopes = sum(
        ((guess.diff(dim=axis) - masks.diff(dim=axis)).abs() * band.narrow(axis, 0, band.shape[axis] - 1)).sum(
            (1, 2, 3)
        )
        / (masks.diff(dim=axis).abs().sum((1, 2, 3)) + 0.1 * logits.shape[-1])
        for axis in (2, 3)
    )
    return entropy + (there * (1 - both / (either + 1e-3))).mean() + EDGES * torch.as_tensor(slopes).mean()


def validate(network: nn.Module, side: int, objects: int = 16) -> dict[str, float]:
    """Mean mask IoU at 0.5 on fixed composites of held-out objects, by kind; for ``nothing`` the mean raw maximum."""
    import torch

    rng = np.random.default_rng(12345)
    textures = [make_texture(rng) for _ in range(24)]
    products = [cropped(p) for p in render_products([HELD_OUT_SEEDS[i] for i in range(objects)], 2, PICTURE, 777)]
    result = {}
    network.eval()
    for kind in KINDS:
        scores = []
        for _ in range(24):
            sample = compose(rng, products, textures, side, kind)
            photo, _mask = batch([sample])
            with torch.no_grad():
                guess = torch.sigmoid(network(photo))[0, 0].numpy()
            scores.append(float(guess.max()) if kind == "nothing" else iou(guess > 0.5, sample.alpha > 0.5))
        result[kind] = round(float(np.mean(scores)), 4)
    return result


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = int((first | second).sum())
    return float((first & second).sum() / union) if union else 1.0


def _follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Exponential moving average of weights and of batch-norm statistics."""
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)


def _write(path: Path, network: nn.Module, average: nn.Module, optimizer: Any, state: dict[str, float]) -> None:
    import torch

    content = {
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "state": state,
    }
    with whole_file(path) as partial:
        torch.save(content, partial)
