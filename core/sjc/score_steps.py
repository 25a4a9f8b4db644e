"""The model's score in a fast run: what it would change in pictures of the field from random cameras."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.cameras import FIELD_OF_VIEW, INPUT_RADIUS, Camera
from core.sjc import losses
from core.sjc.march import Seen
from core.sjc.params import ReconstructParams
from core.sjc.prior import Critic
from core.sjc.views import quick_silhouette

if TYPE_CHECKING:
    import torch

    from core.sjc.fit import Run

    Look = Callable[[Camera, int, torch.Tensor], Seen]
    """``(camera, size, jitter (size * size,))`` to what it sees of the current field."""


def score_terms(
    run: Run, look: Look, critic: Critic, params: ReconstructParams, share: float
) -> dict[str, torch.Tensor]:
    """The model's score for random cameras, and consistency with a camera nearby. ``share`` is the run's progress.

    Colour over white carries the score, and with ``score_silhouette`` so does opacity: a model that draws outlines
    well says where nothing is, which white cannot.
    """
    import torch

    count, size = params.score_cameras, critic.size
    device = run.table.device
    draws = torch.rand((count, 4), generator=run.generator).tolist()
    jitter = torch.rand((count, size * size), generator=run.generator).to(device)
    low, high = params.score_elevations
    cameras = [Camera(360 * a, low + (high - low) * e, INPUT_RADIUS, FIELD_OF_VIEW) for a, e, _, _ in draws]
    seen = [look(camera, size, own) for camera, own in zip(cameras, jitter, strict=True)]
    images = torch.stack([s.color.T.reshape(3, size, size) for s in seen])
    with torch.no_grad():
        shown = images.detach().clamp(0, 1)
        level = noise_level(params, share, draws[0][2])
        wanted = images.detach() + critic.change(shown, cameras, level, run.generator)
    each = params.score_weight * torch.tensor([angle_weight(camera, params) for camera in cameras], device=device)
    terms = {"score": (each * (images - wanted).square().mean((1, 2, 3))).mean()}
    if params.score_silhouette:
        alpha = torch.stack([s.alpha for s in seen])
        outline = torch.stack([quick_silhouette(picture.clamp(0, 1)).reshape(-1) for picture in wanted])
        terms["score_silhouette"] = params.score_silhouette * (each * (alpha - outline).square().mean(1)).mean()
    if params.near_weight:
        first = cameras[0]
        moved = 57.3 * 0.05 / first.radius * (2 * draws[0][3] - 1)
        beside = Camera(first.azimuth + moved, first.elevation + moved / 2, first.radius, first.fov)
        near = look(beside, size, jitter[0])
        terms["near"] = params.near_weight * losses.near_view(seen[0].color, near.color, seen[0].depth, near.depth)
    return terms


def noise_level(params: ReconstructParams, share: float, draw: float) -> float:
    """The noise of a score step as a share of the model's timesteps: ``draw`` in 0..1 picks from a range that moves
    from ``noise_first`` to ``noise_last`` until ``noise_settles`` of the run, as public recipes anneal it."""
    moved = min(1.0, share / params.noise_settles)
    low, high = (a + (b - a) * moved for a, b in zip(params.noise_first, params.noise_last, strict=True))
    return low + (high - low) * draw


def angle_weight(camera: Camera, params: ReconstructParams) -> float:
    """Share of the score at ``camera``: 1, or by its angle to the photo (azimuth 0), half a turn counting in full."""
    if not params.score_by_angle:
        return 1.0
    return abs((camera.azimuth + 180) % 360 - 180) / 180
