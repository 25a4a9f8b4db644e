"""The fast reconstruction: fit the views coarse to fine, let the model's score correct what they disagree about."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING, Any

from core.cameras import FIELD_OF_VIEW, INPUT_RADIUS, Camera
from core.sjc import losses
from core.sjc.carve import carve, dilated
from core.sjc.evidence import View, rays_of
from core.sjc.field import Voxels, activate, resized
from core.sjc.march import Marched, march, occupied_interval
from core.sjc.params import ReconstructParams
from core.sjc.prior import Prior, wished_change

if TYPE_CHECKING:
    import torch

SHARPNESS = 10.0
"""Factor on the raw density: one unit of the grid is ten of sigma, so that surfaces harden within the run."""

LEVELS = ((1 / 3, 0.0), (2 / 3, 0.3), (1.0, 0.65))
"""Share of the finest grid and the share of the run from which it is used."""

PATCH = 4
"""Rays are drawn as squares of pixels, so that depth has neighbours."""

DENSITY_RATE, COLOR_RATE = 0.08, 0.03
"""Adam's learning rates; they fall to a tenth over the run."""

CARVE_TOLERANCE = 0.34
"""Share of the views that may object before a voxel is closed for good."""


@dataclass(frozen=True)
class Level:
    """Everything that belongs to one grid size: where matter may be, and the rays that can meet it."""

    size: int
    allowed: torch.Tensor
    """``(Z, Y, X)`` bool."""
    origins: torch.Tensor
    directions: torch.Tensor
    color: torch.Tensor
    """``(R, 3)`` what the pixel shows."""
    mask: torch.Tensor
    """``(R,)`` its soft silhouette."""
    weight: torch.Tensor
    """``(R,)`` its share of the loss."""
    interval: tuple[torch.Tensor, torch.Tensor]
    patches: torch.Tensor
    """``(P, PATCH**2)`` ray numbers of every square that meets allowed space."""


@dataclass
class Run:
    """The state between two steps; nothing else decides what comes next."""

    step: int
    voxels: Voxels
    optimiser: torch.optim.Adam
    generator: torch.Generator
    level: int
    history: list[dict[str, float]] = field(default_factory=list)


def level_of(step: int, steps: int) -> int:
    """Index into :data:`LEVELS` of a step."""
    return max(i for i, (_, start) in enumerate(LEVELS) if step >= int(start * steps))


def grid_size(level: int, params: ReconstructParams) -> int:
    return max(8, round(LEVELS[level][0] * params.grid))


def open_level(level: int, views: list[View], params: ReconstructParams) -> Level:
    """Carve the level's allowed space and lay out its rays. Deterministic in its arguments."""
    import torch

    size = grid_size(level, params)
    misses, _ = carve(views, size)
    allowed = dilated(misses <= CARVE_TOLERANCE * (len(views) - 1) + 0.5)
    parts: dict[str, list[torch.Tensor]] = {key: [] for key in ("o", "d", "c", "m", "w", "p")}
    base = 0
    synthesized = min((view.size for view in views if not view.trusted), default=views[0].size)
    for view in views:
        origins, directions = rays_of(view.camera, view.size, view.image.device)
        # a finer picture has more rays: its weight a ray falls accordingly
        share = (params.input_weight if view.trusted else params.fit_weight) * (synthesized / view.size) ** 2
        count = view.size**2
        parts["o"].append(origins)
        parts["d"].append(directions)
        parts["c"].append(view.image.reshape(3, count).T)
        parts["m"].append(view.mask.reshape(count))
        parts["w"].append(torch.full((count,), share, device=origins.device))
        numbers = base + torch.arange(count, device=origins.device).view(view.size, view.size)
        side = view.size // PATCH
        squares = numbers[: side * PATCH, : side * PATCH].reshape(side, PATCH, side, PATCH).transpose(1, 2)
        if share > 0:
            parts["p"].append(squares.reshape(-1, PATCH * PATCH))
        base += count
    origins, directions, color, mask, weight = (torch.cat(parts[key]) for key in ("o", "d", "c", "m", "w"))
    interval = occupied_interval(allowed, origins, directions)
    patches = torch.cat(parts["p"])
    meets = (interval[1] > interval[0])[patches].any(1)
    return Level(size, allowed, origins, directions, color, mask, weight, interval, patches[meets])


def start(views: list[View], params: ReconstructParams, seed: int) -> Run:
    """The carved space as thin matter in the mean colours of the views."""
    import torch

    size = grid_size(0, params)
    misses, color = carve(views, size, blur=0)
    raw = 0.5 - misses.clamp(max=4) / 2
    device = raw.device
    scale = torch.tensor(log(SHARPNESS), device=device)
    voxels = Voxels(raw[None, None].clone(), color[None].clone(), scale)
    return Run(0, voxels, new_optimiser(voxels), torch.Generator().manual_seed(seed), 0)


def new_optimiser(voxels: Voxels) -> torch.optim.Adam:
    import torch

    voxels.density.requires_grad_(True)
    voxels.color.requires_grad_(True)
    groups = [{"params": [voxels.density], "lr": DENSITY_RATE}, {"params": [voxels.color], "lr": COLOR_RATE}]
    return torch.optim.Adam(groups, betas=(0.9, 0.95), eps=1e-10)


def refine(run: Run, size: int) -> None:
    """Put the field on a finer grid and start its optimiser afresh."""
    density, color = (resized(grid.detach(), size) for grid in (run.voxels.density, run.voxels.color))
    run.voxels = Voxels(density, color, run.voxels.scale)
    run.optimiser = new_optimiser(run.voxels)


def solid_space(run: Run, level: Level) -> torch.Tensor:
    """Where a sample can matter: allowed and, once the run has settled, not yet empty (or beside matter)."""
    import torch

    with torch.no_grad():
        sigma = activate(run.voxels.density[0, 0], run.voxels.scale)
        return level.allowed & dilated(sigma > 0.05)


def fit_terms(run: Run, level: Level, occupied: torch.Tensor, params: ReconstructParams) -> dict[str, torch.Tensor]:
    """Colour, silhouette, depth smoothness and emptiness of one random batch of pixel squares."""
    import torch

    count = max(1, params.rays // (PATCH * PATCH))
    drawn = torch.randint(len(level.patches), (count,), generator=run.generator).to(level.patches.device)
    rays = level.patches[drawn].reshape(-1)
    jitter = torch.rand(len(rays), generator=run.generator).to(level.origins.device)
    interval = (level.interval[0][rays], level.interval[1][rays])
    seen = march(run.voxels, occupied, level.origins[rays], level.directions[rays], interval, 1.5 / level.size, jitter)
    weight = level.weight[rays]
    terms = {
        "color": (weight * (seen.color - level.color[rays]).square().mean(1)).mean(),
        "silhouette": 0.5 * (weight * (seen.alpha - level.mask[rays]).square()).mean(),
    }
    if params.smooth_weight:
        terms["smooth"] = params.smooth_weight * surface_smoothness(seen, (count, PATCH, PATCH))
    if params.emptiness_weight:
        terms["emptiness"] = params.emptiness_weight * losses.emptiness_text(seen.weights)
    return terms


def surface_smoothness(seen: Marched, shape: tuple[int, int, int]) -> torch.Tensor:
    """Depth smoothness where neighbours both see the surface; silhouettes are not asked to be smooth."""
    alpha = seen.alpha.detach()
    solid = (alpha > 0.5).to(alpha.dtype)
    depth = (seen.depth / alpha.clamp(min=1e-3)).where(solid > 0, seen.depth.detach() * 0).view(shape)
    solid = solid.view(shape)
    across = ((depth[:, :, 1:] - depth[:, :, :-1]).abs() * solid[:, :, 1:] * solid[:, :, :-1]).mean()
    down = ((depth[:, 1:] - depth[:, :-1]).abs() * solid[:, 1:] * solid[:, :-1]).mean()
    return (across + down) / 2


def render_camera(
    run: Run, level: Level, occupied: torch.Tensor, camera: Camera, size: int, jitter: torch.Tensor | None = None
) -> Marched:
    """A whole square view of the current field."""
    origins, directions = rays_of(camera, size, occupied.device)
    interval = occupied_interval(occupied, origins, directions)
    return march(run.voxels, occupied, origins, directions, interval, 1.5 / level.size, jitter)


def score_terms(
    run: Run, level: Level, occupied: torch.Tensor, prior: Prior, params: ReconstructParams, share: float
) -> dict[str, torch.Tensor]:
    """The model's wish for random cameras, and consistency with cameras nearby. ``share`` is the run's progress."""
    import torch

    count, size = params.score_cameras, prior.model.image_size
    device = occupied.device
    draws = torch.rand((count, 4), generator=run.generator)
    shape = (count, prior.model.latent_channels, prior.model.latent_size, prior.model.latent_size)
    noise = torch.randn(shape, generator=run.generator).to(device)
    cameras = [
        Camera(float(360 * a), float(-15 + 60 * e), INPUT_RADIUS, FIELD_OF_VIEW) for a, e, _, _ in draws.tolist()
    ]
    seen = [render_camera(run, level, occupied, camera, size) for camera in cameras]
    images = torch.stack([s.color.T.reshape(3, size, size) for s in seen])
    high = params.noise_start + (params.noise_end - params.noise_start) * share
    top = len(prior.alphas_cumprod) - 1
    t = int(top * (high * 0.7 + high * 0.3 * float(draws[0, 2])))
    change = wished_change(prior, images.clamp(0, 1), cameras, t, noise, params.guidance)
    wanted = (images + change).detach()
    terms = {"score": params.score_weight * (images - wanted).square().mean()}
    if params.near_weight:
        first = cameras[0]
        moved = 0.05 / first.radius * 57.3 * (2 * draws[0, 3:].tolist()[0] - 1)
        beside = Camera(first.azimuth + moved, first.elevation + moved / 2, first.radius, first.fov)
        near = render_camera(run, level, occupied, beside, size)
        terms["near"] = params.near_weight * losses.near_view(seen[0].color, near.color, seen[0].alpha, near.alpha)
    return terms


def take_step(
    run: Run, level: Level, occupied: torch.Tensor, prior: Prior | None, params: ReconstructParams
) -> dict[str, float]:
    """One update: one fused backward pass of every term that is on. Returns the terms."""
    import torch

    share = run.step / params.steps
    terms: dict[str, torch.Tensor] = {}
    if params.fit_weight or params.input_weight:
        terms |= fit_terms(run, level, occupied, params)
    due = share >= params.score_from and run.step % params.score_every == 0
    if prior is not None and params.score_weight and due:
        terms |= score_terms(run, level, occupied, prior, params, share)
    for group, rate in zip(run.optimiser.param_groups, (DENSITY_RATE, COLOR_RATE), strict=True):
        group["lr"] = rate * 0.1**share
    run.optimiser.zero_grad(set_to_none=True)
    total: torch.Tensor = torch.stack(list(terms.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    run.optimiser.step()
    run.step += 1
    figures: dict[str, Any] = {name: float(value.detach()) for name, value in terms.items()}
    return figures
