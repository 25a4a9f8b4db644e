"""The segmenter on a GPU: photos composed by the host's cores while the GPU does something else, then a short training.

Its network, composites and loss are :mod:`training.segmenter`'s own; only the loop is another.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from copy import deepcopy
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.segmenter.composites import compose
from training.segmenter.network import DEVIATION, MEAN, build_network
from training.segmenter.stock import Stock
from training.segmenter.train import learn, learning_rate, validate

Composed = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Photos ``(N, S, S, 3)`` and masks ``(N, S, S)``."""

_stock: Stock | None = None
"""Of a composing process."""


class Composing:
    """Training photos, composed by other processes from the start on, until ``room`` of them lie ready."""

    def __init__(self, folder: Path, workers: int, room: int, side: int, seed: int, lots: int) -> None:
        self.pool = ProcessPoolExecutor(workers, get_context("spawn"), _open_stock, (folder, seed, lots))
        self.photos: list[Composed] = []
        self.waiting: deque[Future[Composed]] = deque()
        self.room, self.side, self.seed, self.next, self.workers = room, side, seed, 0, workers

    def collect(self) -> int:
        """Take what is ready, ask for more; how many photos there are."""
        while self.waiting and self.waiting[0].done():
            self.photos.append(self.waiting.popleft().result())
        have = sum(len(photos) for photos, _ in self.photos)
        while len(self.waiting) < 3 * self.workers and have + 16 * len(self.waiting) < self.room:
            self.waiting.append(self.pool.submit(_composed, self.seed, self.next, self.side))
            self.next += 1
        return have

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)


def _open_stock(folder: Path, seed: int, lots: int) -> None:
    global _stock
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    _stock = Stock(folder, seed)
    _stock.grow(0, lots)


def _composed(seed: int, number: int, side: int) -> Composed:
    assert _stock is not None
    rng = np.random.default_rng([seed, 7, number])
    shots = [compose(rng, _stock.products, _stock.textures, side) for _ in range(16)]
    masks = np.stack([(shot.alpha * 255).round().astype(np.uint8) for shot in shots])
    return np.stack([shot.rgb for shot in shots]), masks


def normalised(photos: Tensor) -> Tensor:
    """``(B, S, S, 3)`` uint8 as :func:`training.segmenter.train.batch` gives them, on their device."""
    value = photos.float().permute(0, 3, 1, 2)
    value = value / value.amax((1, 2, 3), keepdim=True).clamp(min=1)
    mean, deviation = (value.new_tensor(numbers)[:, None, None] for numbers in (MEAN, DEVIATION))
    return (value - mean) / deviation


def train_tail(
    composed: list[Composed],
    device: torch.device,
    until: float,
    start: dict[str, Tensor] | None,
    batch: int = 64,
    peak: float = 1e-3,
    seed: int = 0,
) -> tuple[Any, dict[str, Any]]:
    """The averaged network on the CPU, and figures: mask IoU on held-out composites before and after."""
    network = build_network()
    if start is not None:
        network.load_state_dict(start)
    before = validate(network, composed[0][0].shape[1], objects=8) if start is not None else {}
    network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=1e-2)
    photos, masks = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*composed, strict=True))
    generator = torch.Generator().manual_seed(seed)
    begun, step, loss = time.monotonic(), 0, torch.zeros(())
    while (now := time.monotonic()) < until:
        at = torch.randint(len(photos), (min(batch, len(photos)),), generator=generator)
        seen, truth = normalised(photos[at].to(device)), masks[at].to(device)[:, None].float() / 255
        if torch.rand((), generator=generator) < 0.5:
            seen, truth = seen.flip(3), truth.flip(3)
        rate = peak * learning_rate(step, (now - begun) / max(1.0, until - begun))
        loss = learn(network, average, optimizer, seen, truth, rate, min(0.998, (step + 1) / (step + 10)))
        step += 1
    average = average.cpu()
    figures = {"steps": step, "photos": len(photos), "loss": round(float(loss), 4), "before": before}
    return average, figures | {"after": validate(average, composed[0][0].shape[1], objects=8)}
