"""How Lift-S learns: matter near the surface, the whole of it, what rays of other cameras see, and the elevation."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.zero123.lift import HALF_DEPTH, OPACITY, Volume, occupancy, shade
from core.zero123.lift_s import DEPTH, LiftS
from training.muon import Muon
from training.photos import STEPS_A_CELL, Photos, to_cutout
from training.precision import half_precision

WEIGHTS = {"matter": 1.0, "dice": 0.5, "colour": 4.0, "coverage": 1.0, "elevation": 0.05}

FAR, NEAR, REACH = 0.15, 4.0, 2.0
"""Weight of a cell far from the surface, what one at the surface has more, and over how many cells that fades."""

SAMPLES, RAYS = 40, 128
"""Places along a ray, and rays of a photo that a step compares."""

KNOWN = 0.5
"""Share of the photos whose elevation is told."""

BALL = 0.75
"""Radius of the ball in which rays are sampled, in lengths of the object's longest side."""


@dataclass(frozen=True)
class Schedule:
    """Learning rate: rises for ``warmup`` steps, holds, and falls to zero over the time's last ``decay`` share."""

    peak: float = 3e-3
    warmup: int = 200
    decay: float = 0.6
    ema: float = 0.9985
    clip: float = 1.0

    def rate(self, step: int, done: float) -> float:
        return self.peak * min(1.0, (step + 1) / self.warmup, max(0.0, 1 - done) / self.decay)


def losses(net: LiftS, photos: Photos, known: Tensor, picked: Tensor, jitter: Tensor) -> dict[str, Tensor]:
    """Scalars by name, differentiable. ``known (B,)``: whose elevation is told; ``picked (B, RAYS)``: which rays;
    ``jitter (B, RAYS)`` in 0..1 shifts their samples.
    """
    image = photos.image.float() / 255
    cutout = image * 2 - 1
    with half_precision(image.device):
        density, colour, guess = net(cutout, photos.elevation, known, photos.shift)
    density, guess = density.float(), guess.float()
    near = photos.near.float() / STEPS_A_CELL
    solid = (0.5 - near).clamp(0, 1)  # a cell that the surface cuts is solid in part
    axis = (torch.arange(DEPTH, device=image.device) + 0.5) / DEPTH * 2 - 1
    # A frustum widens with the distance: cells count by their volume.
    size = (1 + axis[None] * HALF_DEPTH / photos.zoom[:, None]).square()[:, :, None, None]
    weight = size * (FAR + NEAR * torch.exp(-near.abs() / REACH))
    entropy = F.binary_cross_entropy_with_logits(density[:, 0], solid, reduction="none")
    likely = torch.sigmoid(density[:, 0])
    both, sum_ = (likely * solid * size).sum((1, 2, 3)), ((likely + solid) * size).sum((1, 2, 3))
    volume = Volume(density, colour.float(), image[:, :3], photos.elevation)
    seen, cover, truth, covered = along_rays(volume, photos, picked, jitter)
    off = (90 * guess[:, 0] - photos.elevation).abs() / 90
    unsure = torch.where(known, 0.0, off * torch.exp(-guess[:, 1]) + guess[:, 1])
    return {
        "matter": (entropy * weight).sum() / weight.sum(),
        "dice": (1 - 2 * both / (sum_ + 1e-3)).mean(),
        "colour": (seen - truth).square().mean(),
        "coverage": (cover - covered).square().mean(),
        "elevation": unsure.sum() / (~known).sum().clamp(min=1),
    }


def along_rays(volume: Volume, photos: Photos, picked: Tensor, jitter: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colour over white ``(B, R, 3)`` and coverage ``(B, R)`` of rays through the volume, then what they truly see."""

    def chosen(value: Tensor) -> Tensor:
        index = picked[..., None].expand(-1, -1, value.shape[-1]) if value.ndim == 3 else picked
        return torch.gather(value, 1, index).float()

    origin, direction = chosen(photos.origin), chosen(photos.direction)
    count, rays = picked.shape
    # The camera sees the object as long as FRAME of its width, at distance 1: 1 / zoom, about.
    radius = BALL / photos.zoom[:, None]
    middle = -(origin * direction).sum(-1)
    half = (radius.square() - (origin + direction * middle[..., None]).square().sum(-1)).clamp(min=1e-6).sqrt()
    steps = (torch.arange(SAMPLES, device=origin.device) + jitter[..., None]) / SAMPLES * 2 - 1
    t = middle[..., None] + half[..., None] * steps
    points = origin[:, :, None] + direction[:, :, None] * t[..., None]
    at = to_cutout(points.view(count, -1, 3), photos.zoom, photos.shift)
    solid = torch.sigmoid(occupancy(volume, at)).view(count, rays, SAMPLES)
    depth = solid * (OPACITY * photos.zoom[:, None] * 2 * half / SAMPLES)[..., None]
    through = torch.exp(-torch.cumsum(depth, -1))
    weight = torch.cat([torch.ones_like(through[..., :1]), through[..., :-1]], -1) - through
    colour = (shade(volume, at).view(count, rays, SAMPLES, 3) * weight[..., None]).sum(-2)
    return colour + through[..., -1:], 1 - through[..., -1], chosen(photos.colour), chosen(photos.coverage)


class Learner:
    """A network, its average and its optimiser; :meth:`step` is one CUDA graph where there is a GPU.

    ``draw`` gives the photos of a batch; the graph reads them from buffers of its own.
    """

    def __init__(self, net: LiftS, schedule: Schedule, seed: int = 0) -> None:
        self.net, self.schedule = net.train(), schedule
        self.device = next(net.parameters()).device
        self.average = deepcopy(net).eval().requires_grad_(False)
        self.rate = torch.zeros((), device=self.device)
        self.keep = torch.zeros((), device=self.device)
        self.optimizer = Muon(net.parameters(), self.rate, bf16=self.device.type == "cuda")
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.steps = self.samples = 0
        self.figures: dict[str, Tensor] = {}
        self._graph: Any = None
        self._photos: Photos | None = None
        self._drawn: tuple[Tensor, Tensor, Tensor] | None = None

    def step(self, draw: Callable[[torch.Generator], Photos], done: float) -> None:
        """One optimiser step; ``done`` is the share of the time that is over."""
        photos = draw(self.generator)
        drawn = self._draws(len(photos), photos.origin.shape[1])
        self.rate.fill_(self.schedule.rate(self.steps, done))
        self.keep.fill_(min(self.schedule.ema, (self.steps + 1) / (self.steps + 10)))
        if self.device.type != "cuda":
            self._compute(photos, drawn)
        else:
            self._replay(photos, drawn)
        self.steps += 1
        self.samples += len(photos)

    def _draws(self, count: int, rays: int) -> tuple[Tensor, Tensor, Tensor]:
        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=self.generator, device=self.device)

        return uniform(count) < KNOWN, (uniform(count, RAYS) * rays).long(), uniform(count, RAYS)

    def _compute(self, photos: Photos, drawn: tuple[Tensor, Tensor, Tensor]) -> None:
        parts = losses(self.net, photos, *drawn)
        loss = torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.schedule.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)
        with torch.no_grad():
            own: list[Tensor] = list(self.net.parameters())
            mean: list[Tensor] = list(self.average.parameters())
            torch._foreach_mul_(mean, self.keep)
            torch._foreach_add_(mean, list(torch._foreach_mul(own, 1 - self.keep)))
        self.figures = {name: value.detach() for name, value in (*parts.items(), ("loss", loss))}

    def _replay(self, photos: Photos, drawn: tuple[Tensor, Tensor, Tensor]) -> None:
        """The same from a recording: some 2,000 kernels, one launch."""
        if self._photos is None or self._drawn is None:
            self._photos, self._drawn = photos, drawn
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):  # these take real steps: allocations and tuning are over before the recording
                    self._compute(photos, drawn)
            torch.cuda.current_stream().wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._compute(photos, drawn)
            return
        for name, buffer in vars(self._photos).items():
            buffer.copy_(getattr(photos, name))
        for buffer, value in zip(self._drawn, drawn, strict=True):
            buffer.copy_(value)
        self._graph.replay()

    def told(self) -> dict[str, float]:
        """The last step's losses; waits for the device."""
        return {name: round(float(value), 5) for name, value in self.figures.items()}

    def state(self) -> dict[str, Any]:
        """What :meth:`load` goes on from."""
        means = [self.optimizer.state[weight]["mean"] for weight in self.net.parameters()] if self.steps else []
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "means": means,
            "generator": self.generator.get_state(),
            "steps": self.steps,
            "samples": self.samples,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for weight, mean in zip(self.net.parameters(), state["means"], strict=False):
            self.optimizer.state[weight]["mean"] = mean.to(self.device)
        self.generator.set_state(state["generator"].cpu())
        self.steps, self.samples = state["steps"], state["samples"]
