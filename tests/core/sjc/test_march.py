"""The fast renderer against plain automatic differentiation of the same quadrature, and against a closed form."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.cameras import Camera
from core.sjc import losses
from core.sjc.field import DENSITY_SHIFT, trilinear
from core.sjc.march import EMPTY, SHARPNESS, bundle_rays, march_rays, space_of
from core.sjc.renderer import ray_weights
from core.sjc.views import rays_of, white_distance_mask

SIZE, PIXELS, STEP = 20, 12, 0.05


def test_renders_and_gradients_are_those_of_automatic_differentiation() -> None:
    generator = torch.Generator().manual_seed(0)
    space = space_of(torch.rand((SIZE,) * 3, generator=generator) > 0.3)
    table = (torch.randn((space.count, 4), generator=generator) * 0.1).requires_grad_(True)
    origins, directions = rays_of(Camera(30, 20), PIXELS)
    bundle = bundle_rays(space, origins, directions, torch.rand(len(origins), generator=generator), STEP)
    seen = march_rays(table, bundle)

    full = torch.cat([table, torch.tensor([[EMPTY, 0.5, 0.5, 0.5]])])
    grid = full[space.row.long()].permute(3, 0, 1, 2)[None]  # padded by one inactive voxel on each side
    points = origins[bundle.ray] + bundle.t[:, None] * directions[bundle.ray]
    values = trilinear(grid, points * SIZE / (SIZE + 2))
    tau = F.softplus(values[:, 0] * SHARPNESS + DENSITY_SHIFT) * STEP
    order = torch.arange(len(tau)) - bundle.first[bundle.ray]
    padded = torch.zeros(int(order.max()) + 1, len(origins)).index_put((order, bundle.ray), tau)
    weights = ray_weights(padded)[order, bundle.ray]
    sums = torch.zeros(len(origins), 6).index_add(
        0,
        bundle.ray,
        weights[:, None] * torch.cat([values[:, 1:], torch.stack([bundle.t**k for k in range(3)], 1)], 1),
    )
    expected = (sums[:, :3] + 1 - sums[:, 3:4], sums[:, 3], sums[:, 4], sums[:, 5], weights)
    ours = (seen.color, seen.alpha, seen.depth, seen.square, seen.weights)
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-5)
    cotangents = [torch.randn(a.shape, generator=generator) for a in expected]
    grads = [
        torch.autograd.grad(sum((a * c).sum() for a, c in zip(values_, cotangents, strict=True)), table)[0]
        for values_ in (ours, expected)
    ]
    assert float((grads[0] - grads[1]).abs().max()) < 1e-4 * float(grads[1].abs().max())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_renders_what_the_cpu_renders() -> None:
    generator = torch.Generator().manual_seed(0)
    occupied = torch.rand((SIZE,) * 3, generator=generator) > 0.3
    origins, directions = rays_of(Camera(30, 20), PIXELS)
    jitter = torch.rand(len(origins), generator=generator)
    values = torch.randn((int(occupied.sum()), 4), generator=generator) * 0.1
    found = []
    for device in ("cpu", "cuda"):
        table = values.to(device).requires_grad_(True)
        space = space_of(occupied.to(device))
        bundle = bundle_rays(space, origins.to(device), directions.to(device), jitter.to(device), STEP)
        seen = march_rays(table, bundle)
        (gradient,) = torch.autograd.grad(seen.color.square().sum() + seen.depth.sum(), table)
        found.append([item.detach().cpu() for item in (seen.color, seen.alpha, seen.depth, seen.square, gradient)])
    for ours, expected in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-3)


def test_samples_stand_in_active_voxels_only_sorted_along_their_rays() -> None:
    occupied = torch.zeros((SIZE,) * 3, dtype=torch.bool)
    occupied[8:12, 8:12, 8:12] = True
    origins, directions = rays_of(Camera(0, 0), PIXELS)
    bundle = bundle_rays(space_of(occupied), origins, directions, torch.full((len(origins),), 0.5), STEP)
    points = origins[bundle.ray] + bundle.t[:, None] * directions[bundle.ray]
    assert len(points)
    assert float(points.abs().max()) <= 0.2 + 1e-5
    assert bool((bundle.ray.diff() >= 0).all())
    assert bool((bundle.t.diff()[bundle.ray.diff() == 0] > 0).all())


def test_uniform_fog_dims_by_the_law_of_beer_and_lambert() -> None:
    occupied = torch.ones((SIZE,) * 3, dtype=torch.bool)
    sigma, raw = 0.7, 0.0
    raw = float((np.log(np.expm1(sigma)) - DENSITY_SHIFT) / SHARPNESS)
    table = torch.tensor([[raw, 0.2, 0.4, 0.6]]).repeat(SIZE**3, 1)
    origin, direction = torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]])
    bundle = bundle_rays(space_of(occupied), origin, direction, torch.tensor([0.5]), 0.01)
    seen = march_rays(table, bundle)
    # the outermost half voxel fades to empty, hence the tolerance
    assert abs(float(seen.alpha) - (1 - exp(-2 * sigma))) < 0.02
    through = 1 - seen.alpha
    torch.testing.assert_close(seen.color[0, 0], seen.alpha[0] * 0.2 + through[0], atol=0.02, rtol=0)


def test_spread_is_zero_for_one_surface_and_the_pair_sum_for_two() -> None:
    weights, t = torch.tensor([0.3, 0.5]), torch.tensor([1.0, 1.4])
    sums = [torch.stack([(weights * t**k).sum()]) for k in range(3)]
    torch.testing.assert_close(losses.spread(*sums), torch.tensor(0.3 * 0.5 * 0.4**2))
    torch.testing.assert_close(losses.spread(*(s[:1] * 0 + 1 for s in sums)), torch.tensor(0.0))


def test_masks_read_off_white_keep_partial_coverage_of_dark_edges() -> None:
    image = torch.ones(3, 5, 5)
    image[:, :, :2] = 0.1  # object
    image[:, :, 2] = 0.1 * 0.25 + 0.75  # a column it covers to a quarter
    mask = white_distance_mask(image)
    assert bool((mask[:, :2] == 1).all())
    assert bool((mask[:, 3:] == 0).all())
    assert float((mask[:, 2] - 0.25).abs().max()) < 0.04
