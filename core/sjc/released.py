"""The released reconstruction loop, one step a call, with every random draw passed in (REFERENCE section 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.cameras import camera_rays
from core.sjc import losses, score
from core.sjc.field import Voxels
from core.sjc.renderer import Rendering, render_cameras

if TYPE_CHECKING:
    import torch

Matrix = NDArray[np.float64]

RELEASED_LATENT_SIZE = 32
"""Latent pixels along one side at which the weights were chosen."""

TEXT_EMPTINESS_GROWTH = 20.0
"""How much stronger the text form's emptiness is in the second half of a run."""


@dataclass(frozen=True)
class ReleasedSettings:
    """The weights of the released command."""

    learning_rate: float = 0.05
    guidance: float = 100.0
    view_weight: float = 1e4
    near_weight: float = 1e4
    smooth_weight: float = 1e4
    emptiness_weight: float = 0.0
    text_emptiness_weight: float = 0.0
    """Of the form that Score Jacobian Chaining for text has (section 4.3)."""
    input_smooth_share: float = 0.1
    reduce_variance: bool = True
    train_view: bool = True

    def at(self, latent_size: int) -> ReleasedSettings:
        """The same balance with latents of another size.

        The score is a sum over pixels, every other term a mean of them: at half the original's 32 a side the others
        would weigh four times as much, and their smoothing dissolves the object.
        """
        share = (latent_size / RELEASED_LATENT_SIZE) ** 2
        return replace(
            self,
            view_weight=share * self.view_weight,
            near_weight=share * self.near_weight,
            smooth_weight=share * self.smooth_weight,
            emptiness_weight=share * self.emptiness_weight,
            text_emptiness_weight=share * self.text_emptiness_weight,
        )


@dataclass(frozen=True)
class Draw:
    """What one step draws at random."""

    pose: Matrix
    """``(4, 4)`` camera to world of the target view."""
    near_pose: Matrix
    """``(4, 4)`` of the eye moved by 0.05, looking at the origin."""
    sigma: float
    noise: torch.Tensor
    """``(C, h, w)``."""


@dataclass(frozen=True)
class InputView:
    """The photo's own camera and picture."""

    pose: Matrix
    photo: torch.Tensor
    """``(1, 3, H, W)`` in [-1, 1]."""


@dataclass(frozen=True)
class Trace:
    """What one step saw, before the update."""

    target: Rendering
    near: Rendering | None
    input: Rendering | None
    score: score.Score
    losses: dict[str, float]


def look_at(eye: NDArray[np.float64], up: Sequence[float]) -> Matrix:
    """Camera to world ``(4, 4)`` at ``eye (3,)``, looking at the origin (OpenGL camera)."""
    backward = eye / np.linalg.norm(eye)
    right = np.cross(np.asarray(up, np.float64), backward)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(backward, right), backward, eye
    return pose


def render_pose(voxels: Voxels, k: Matrix, pose: Matrix, size: int, background: torch.Tensor) -> Rendering:
    """Render a square view ``(C, size, size)`` from ``pose``."""
    return render_poses(voxels, k, [pose], size, background)[0]


def render_poses(
    voxels: Voxels, k: Matrix, poses: Sequence[Matrix], size: int, background: torch.Tensor
) -> list[Rendering]:
    """Render square views ``(C, size, size)`` from ``poses``; rays are computed in float64, then rounded once."""
    import torch

    rays = [camera_rays(k, pose, size, size) for pose in poses]
    like = voxels.density
    origins, directions = (torch.from_numpy(np.stack(a)).to(like) for a in zip(*rays, strict=True))
    return render_cameras(voxels, origins, directions, size, size, background)


def released_gradients(
    voxels: Voxels,
    draw: Draw,
    view: InputView,
    k: Matrix,
    background: torch.Tensor,
    eps: Callable[[torch.Tensor, float, Matrix], torch.Tensor],
    decode: Callable[[torch.Tensor], torch.Tensor],
    settings: ReleasedSettings,
    step: int,
    steps: int,
) -> Trace:
    """Accumulate the gradients of one released iteration into ``voxels``.

    ``eps(z (1, C, h, w), sigma, pose)`` is the guided prediction for the U-Net's input ``z``; ``decode`` maps latents
    ``(1, C, h, w)`` to images ``(1, 3, H, W)`` in [-1, 1], differentiably. One backward pass for all terms.
    """
    import torch

    poses = [draw.pose]
    if settings.near_weight:
        poses.append(draw.near_pose)
    if settings.train_view:
        poses.append(view.pose)
    target, *others = render_poses(voxels, k, poses, background.shape[-1], background)
    near = others[0] if settings.near_weight else None
    seen = others[-1] if settings.train_view else None
    terms: dict[str, torch.Tensor] = {}
    if seen is not None:
        if settings.view_weight:
            terms["input"] = settings.view_weight * losses.input_view(decode(seen.image[None]), view.photo)
        if settings.smooth_weight:
            share = settings.smooth_weight * settings.input_smooth_share
            terms["input_smooth"] = share * losses.depth_smoothness(seen.depth)
    sigma = torch.tensor(draw.sigma, dtype=target.image.dtype, device=target.image.device)
    with torch.no_grad():
        _, z = score.perturb(target.image, draw.noise, sigma)
        predicted = eps(z[None], draw.sigma, draw.pose)[0]
        chained = score.chain(target.image, draw.noise, sigma, predicted, reduce_variance=settings.reduce_variance)
    terms["score"] = (target.image * chained.gradient).sum()
    if settings.smooth_weight and step >= steps * 0.5:
        terms["smooth"] = settings.smooth_weight * losses.depth_smoothness(target.depth)
    if near is not None:
        terms["near"] = settings.near_weight * losses.near_view(target.image, near.image, target.depth, near.depth)
    if settings.emptiness_weight:
        terms["emptiness"] = settings.emptiness_weight * losses.emptiness(target.weights, step / steps)
    if settings.text_emptiness_weight:
        grown = settings.text_emptiness_weight * (TEXT_EMPTINESS_GROWTH if step >= steps * 0.5 else 1.0)
        terms["emptiness_text"] = grown * losses.emptiness_text(target.weights)
    total: torch.Tensor = torch.stack(list(terms.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    return Trace(target, near, seen, chained, {name: float(value.detach()) for name, value in terms.items()})
