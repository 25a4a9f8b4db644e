"""The fast reconstruction: fit the views coarse to fine, let the model's score correct what they disagree about."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from core.cameras import Camera
from core.sjc import losses
from core.sjc.carve import carve, dilated, image_coordinates, outliers_among, voxel_centers
from core.sjc.field import DENSITY_SHIFT, resized
from core.sjc.march import EMPTY, SHARPNESS, Bundle, Seen, Space, bundle_rays, march_rays, space_of
from core.sjc.params import ReconstructParams
from core.sjc.prior import Critic
from core.sjc.score_steps import score_terms
from core.sjc.views import View, rays_of

if TYPE_CHECKING:
    import torch

STAGES = ((1 / 3, 0.0), (2 / 3, 0.25), (1.0, 0.5), (1.0, 0.75))
"""Share of the finest grid, and the share of the run from which it is used; opening one also closes empty space."""

PATCH = 4
"""Rays are drawn as squares of pixels, so that depth has neighbours."""

STEP = 0.75
"""Voxels between two samples of a ray."""

DENSITY_RATE, COLOR_RATE = 0.1, 0.05
"""Adam's learning rates; they fall to a tenth over the run."""

FADED = -0.1
"""Raw density below which a voxel counts as empty when a stage opens: sigma 0.02."""

SOLID = 60.0
"""Sigma of space that no camera can see into."""


@dataclass(frozen=True)
class Pixels:
    """Every pixel of every view as a ray, in squares of neighbours."""

    origins: torch.Tensor
    directions: torch.Tensor
    color: torch.Tensor
    """``(R, 3)`` what the pixel shows."""
    mask: torch.Tensor
    """``(R,)`` its soft silhouette."""
    weight: torch.Tensor
    """``(R,)`` its share of the loss."""
    squares: tuple[torch.Tensor, ...]
    """For each view ``(side * side, PATCH**2)`` ray numbers."""


@dataclass
class Stage:
    """One grid size: its active space, and its batches of rays, each laid out when first needed."""

    space: Space
    batches: list[torch.Tensor]
    """Ray numbers, in whole squares."""
    seed: int
    bundles: dict[int, Bundle] = field(default_factory=dict)


@dataclass
class Moments:
    """Adam's running means; written out: a process's first optimiser of ``torch.optim`` costs 1.1 CPU-seconds."""

    first: torch.Tensor
    second: torch.Tensor
    count: int


@dataclass
class Run:
    """The state between two steps; nothing else decides what comes next."""

    step: int
    stage: int
    outliers: int
    """How many views may be overruled about where nothing is."""
    occupied: torch.Tensor
    """``(Z, Y, X)`` bool: the active voxels."""
    table: torch.Tensor
    """``(A, 4)``: raw density and RGB of the active voxels."""
    moments: Moments
    generator: torch.Generator
    history: list[dict[str, float]] = field(default_factory=list)


def stage_of(step: int, steps: int) -> int:
    """Index into :data:`STAGES` of a step."""
    return max(i for i, (_, start) in enumerate(STAGES) if step >= int(start * steps))


def grid_size(stage: int, params: ReconstructParams) -> int:
    return max(8, round(STAGES[stage][0] * params.grid))


def pixels_of(views: list[View], params: ReconstructParams) -> Pixels:
    """Lay out the rays of all views."""
    import torch

    rays = [rays_of(view.camera, view.size, view.image.device) for view in views]
    usual = min((view.size for view in views if not view.trusted), default=views[0].size)
    weights, squares, base = [], [], 0
    for view in views:
        count, side = view.size**2, view.size // PATCH
        # a finer picture has more rays: its weight a ray falls accordingly
        share = (params.input_weight if view.trusted else params.fit_weight) * (usual / view.size) ** 2
        weights.append(torch.full((count,), share, device=view.image.device))
        numbers = base + torch.arange(count, device=view.image.device).view(view.size, view.size)
        cut = numbers[: side * PATCH, : side * PATCH].reshape(side, PATCH, side, PATCH)
        squares.append(cut.transpose(1, 2).reshape(-1, PATCH * PATCH))
        base += count
    return Pixels(
        torch.cat([o for o, _ in rays]),
        torch.cat([d for _, d in rays]),
        torch.cat([view.image.reshape(3, -1).T for view in views]),
        torch.cat([view.mask.reshape(-1) for view in views]),
        torch.cat(weights),
        tuple(squares),
    )


def start(views: list[View], params: ReconstructParams, seed: int) -> Run:
    """The carved space as thin matter in the mean colours of the views."""
    import torch

    size = grid_size(0, params)
    outliers = outliers_among(views)
    disagreement, color = carve(
        views, voxel_centers(size, views[0].image.device), outliers, widening(size, outliers, params)
    )
    occupied = dilated((disagreement < 0.5).view(size, size, size))
    inside = occupied.view(-1)
    raw = ceiling(disagreement).clamp(max=0.4)
    table = torch.cat([raw[inside][:, None], color[inside]], 1)
    generator = torch.Generator().manual_seed(seed)
    return Run(0, 0, outliers, occupied, table.requires_grad_(True), still(table), generator)


def widening(size: int, outliers: int, params: ReconstructParams) -> float:
    """World units by which silhouettes are widened on a grid: half a voxel of a coarse one, that no thin part falls
    between its centres, and a pixel where the views disagree."""
    return (1 / size if size < params.grid else 0.0) + (0.03 if outliers else 0.0)


def ceiling(disagreement: torch.Tensor) -> torch.Tensor:
    """The raw density left to a point: a surface's where a view that counts objects half, none at four fifths."""
    return 1.6 - 2 * disagreement


def still(table: torch.Tensor) -> Moments:
    """The optimiser's state before the first step."""
    import torch

    return Moments(torch.zeros_like(table.detach()), torch.zeros_like(table.detach()), 0)


def next_level(run: Run, views: list[View], params: ReconstructParams, stage: int) -> None:
    """Put the field on the stage's grid, close what has become empty, start the optimiser afresh."""
    import torch

    run.stage = stage
    size = grid_size(stage, params)
    grid, active = dense(run), run.occupied
    if size != grid.shape[-1]:
        grid = resized(grid[None], size)[0]
        active = resized(active[None, None].float(), size)[0, 0] > 0.5
    wanted = dilated(grid[0] > FADED)
    inside = wanted.view(-1)
    points = voxel_centers(size, grid.device)[inside]
    disagreement, color = carve(views, points, run.outliers, widening(size, run.outliers, params))
    fresh = ~active.view(-1)[inside]  # voxels the coarser grid had no colour for
    table = grid.view(4, -1)[:, inside].T.contiguous()
    table[fresh, 1:] = color[fresh]
    if not run.outliers:  # views that contradict each other would thin whatever one of them draws elsewhere
        table[:, 0] = table[:, 0].minimum(ceiling(disagreement))
    kept = disagreement < 0.9
    run.occupied = torch.zeros_like(wanted)
    run.occupied.view(-1)[torch.nonzero(inside)[kept, 0]] = True
    run.table = table[kept].requires_grad_(True)
    run.moments = still(run.table)


def open_stage(run: Run, views: list[View], pixels: Pixels, params: ReconstructParams, seed: int) -> Stage:
    """Batches of the squares that can meet matter, shuffled once. Deterministic in its arguments."""
    import torch

    space = space_of(run.occupied)
    points = voxel_centers(space.size, run.occupied.device)[run.occupied.view(-1)]
    chosen = []
    for view, squares in zip(views, pixels.squares, strict=True):
        if not float(pixels.weight[squares[0, 0]]):
            continue
        side = view.size // PATCH
        cell = ((image_coordinates(points, view.camera) + 1) * (side / 2)).floor().long()
        cell = cell[((cell >= 0) & (cell < side)).all(1)]
        hit = torch.zeros(side * side, device=points.device)
        hit[cell[:, 1] * side + cell[:, 0]] = 1
        near = torch.nn.functional.max_pool2d(hit.view(1, side, side), 3, stride=1, padding=1).view(-1) > 0
        chosen.append(squares[near])
    squares = torch.cat(chosen) if chosen else pixels.squares[0][:0]
    mixing = torch.Generator().manual_seed(seed * 1009 + run.stage)
    order = torch.randperm(len(squares), generator=mixing).to(squares.device)
    per = max(1, params.rays // (PATCH * PATCH))
    count = max(1, round(len(squares) / per))
    return Stage(space, [part.reshape(-1) for part in squares[order].chunk(count)], seed * 1009 + run.stage)


def bundle_of(stage: Stage, pixels: Pixels, number: int) -> Bundle:
    """The samples of batch ``number``, laid out once a stage."""
    import torch

    if number not in stage.bundles:
        rays = stage.batches[number]
        mixing = torch.Generator().manual_seed(stage.seed * 4001 + number)
        jitter = torch.rand(len(rays), generator=mixing).to(rays.device)
        step = STEP * 2 / stage.space.size
        stage.bundles[number] = bundle_rays(stage.space, pixels.origins[rays], pixels.directions[rays], jitter, step)
    return stage.bundles[number]


def dense(run: Run) -> torch.Tensor:
    """``(4, Z, Y, X)``: the table on its grid, :data:`EMPTY` and grey elsewhere."""
    import torch

    grid = torch.full((4, *run.occupied.shape), 0.5, device=run.table.device)
    grid[0] = EMPTY
    grid[:, run.occupied] = run.table.detach().T
    return grid


def sigma_grid(run: Run) -> torch.Tensor:
    """``(Z, Y, X)`` density per unit length."""
    import torch.nn.functional as F

    return F.softplus(dense(run)[0] * SHARPNESS + DENSITY_SHIFT)


def fit_terms(
    run: Run, stage: Stage, pixels: Pixels, params: ReconstructParams, number: int
) -> dict[str, torch.Tensor]:
    """Colour, silhouette, depth smoothness and emptiness of one batch of pixel squares."""
    import torch

    rays = stage.batches[number]
    seen = march_rays(run.table, bundle_of(stage, pixels, number))
    weight = pixels.weight[rays]
    off = seen.color - pixels.color[rays]
    if params.ground_share and float(torch.rand((), generator=run.generator)) < params.ground_share:
        ground = torch.rand(3, generator=run.generator).to(off.device)  # white floaters show on any ground but white
        off = off + (pixels.mask[rays] - seen.alpha)[:, None] * (ground - 1)
    terms = {
        "color": (weight * off.square().mean(1)).mean(),
        "silhouette": 0.5 * (weight * (seen.alpha - pixels.mask[rays]).square()).mean(),
    }
    if params.smooth_weight:
        terms["smooth"] = params.smooth_weight * surface_smoothness(seen, (-1, PATCH, PATCH))
    if params.spread_weight:
        terms["spread"] = params.spread_weight * losses.spread(seen.alpha, seen.depth, seen.square)
    if params.emptiness_weight:
        terms["emptiness"] = params.emptiness_weight * losses.emptiness_text(seen.weights)
    return terms


def surface_smoothness(seen: Seen, shape: tuple[int, int, int]) -> torch.Tensor:
    """Depth smoothness where neighbours both see the surface; silhouettes are not asked to be smooth."""
    import torch

    alpha = seen.alpha.detach()
    solid = alpha > 0.5
    depth = torch.where(solid, seen.depth / alpha.clamp(min=1e-3), torch.zeros_like(alpha)).view(shape)
    both = solid.view(shape)
    across = ((depth[:, :, 1:] - depth[:, :, :-1]).abs() * (both[:, :, 1:] & both[:, :, :-1])).mean()
    down = ((depth[:, 1:] - depth[:, :-1]).abs() * (both[:, 1:] & both[:, :-1])).mean()
    return (across + down) / 2


def look(run: Run, space: Space, camera: Camera, size: int, jitter: torch.Tensor) -> Seen:
    """A whole square view of the current field; ``jitter (size * size,)``."""
    origins, directions = rays_of(camera, size, run.table.device)
    return march_rays(run.table, bundle_rays(space, origins, directions, jitter, STEP * 2 / space.size))


def take_step(
    run: Run, stage: Stage, pixels: Pixels, critic: Critic | None, params: ReconstructParams
) -> dict[str, float]:
    """One update: one fused backward pass of every term that is on. Returns the terms."""
    import torch

    share = run.step / params.steps
    terms: dict[str, torch.Tensor] = {}
    if stage.batches and (params.fit_weight or params.input_weight):
        terms |= fit_terms(run, stage, pixels, params, run.step % len(stage.batches))
    due = share >= params.score_from and run.step % params.score_every == 0
    if critic is not None and params.score_weight and due:
        terms |= score_terms(run, partial(look, run, stage.space), critic, params, share)
    if not terms:
        run.step += 1
        return {}
    total: torch.Tensor = torch.stack(list(terms.values())).sum()
    (gradient,) = torch.autograd.grad(total, run.table)
    adam(run, gradient, 0.1**share)
    run.step += 1
    figures: dict[str, Any] = {name: float(value.detach()) for name, value in terms.items()}
    return figures


def adam(run: Run, gradient: torch.Tensor, rate: float, betas: tuple[float, float] = (0.9, 0.95)) -> None:
    """Adam (Kingma & Ba 2015, algorithm 1) with one rate for density and one for colour."""
    import torch

    with torch.no_grad():
        moments = run.moments
        moments.count += 1
        moments.first.lerp_(gradient, 1 - betas[0])
        moments.second.lerp_(gradient.square(), 1 - betas[1])
        first = moments.first / (1 - betas[0] ** moments.count)
        second = (moments.second / (1 - betas[1] ** moments.count)).sqrt_().add_(1e-12)
        rates = torch.tensor([DENSITY_RATE] + [COLOR_RATE] * 3, device=gradient.device) * rate
        run.table -= first / second * rates


def hidden_space(run: Run, stage: Stage, pixels: Pixels) -> torch.Tensor:
    """``(Z, Y, X)`` bool: active voxels that no ray of any batch reaches with more than a twentieth of its light.

    The views say nothing about them; a product is solid there rather than hollow.
    """
    import torch

    reached = torch.zeros((len(run.table) + 1, 1), device=run.table.device)
    for number in range(len(stage.batches)):
        bundle = bundle_of(stage, pixels, number)
        with torch.no_grad():
            seen = march_rays(run.table, bundle)
        running = torch.cat([seen.weights.new_zeros(1).double(), seen.weights.double().cumsum(0)])
        before = running[:-1] - running[bundle.first[:-1]][bundle.ray]
        reached += bundle.scatter @ (before < 0.95).float()[:, None]
    hidden = torch.zeros_like(run.occupied)
    hidden[run.occupied] = reached[:-1, 0] <= 0
    return hidden
