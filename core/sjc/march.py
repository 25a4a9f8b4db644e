"""The fast renderer: the quadrature of :mod:`core.sjc.renderer` over active voxels only, as two sparse products.

The rays of a batch are fixed, so where they sample is worked out once (a :class:`Bundle`); a step then costs one sparse
product forward, one backward, and elementwise work on the samples. Ten times cheaper on a CPU than sampling a dense
grid, and deterministic. ``sigma = softplus(30 d - 1)`` of the interpolated ``d``; inactive voxels hold :data:`EMPTY`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.sjc.field import DENSITY_SHIFT

if TYPE_CHECKING:
    import torch

SHARPNESS = 30.0
"""Factor on the raw density: one unit of the grid is thirty of sigma, so that surfaces harden within a short run."""

EMPTY = -1.0
"""Raw density of inactive voxels: sigma 0 within float32."""


@dataclass(frozen=True)
class Space:
    """The active voxels of a grid."""

    occupied: torch.Tensor
    """``(Z, Y, X)`` bool."""
    row: torch.Tensor
    """``(Z+2, Y+2, X+2)`` int32: row of each voxel in the table, the last row where inactive; padded by one voxel."""
    count: int
    """Active voxels."""

    @property
    def size(self) -> int:
        return int(self.occupied.shape[0])


@dataclass(frozen=True)
class Bundle:
    """Rays, and those of their samples that fall into active voxels, sorted by ray."""

    rays: int
    step: float
    ray: torch.Tensor
    """``(M,)`` int64: the ray of each sample."""
    first: torch.Tensor
    """``(R+1,)`` int64: where each ray's samples begin."""
    t: torch.Tensor
    """``(M,)`` distance along the ray."""
    gather: torch.Tensor
    """``(M, A+1)`` sparse: trilinear weights."""
    scatter: torch.Tensor
    """Its transpose."""
    sums: torch.Tensor
    """``(R, M)`` sparse ones: sums over a ray's samples."""


@dataclass(frozen=True)
class Seen:
    """What rays see, differentiable in the table."""

    color: torch.Tensor
    """``(R, 3)`` over white."""
    alpha: torch.Tensor
    """``(R,)``."""
    depth: torch.Tensor
    """``(R,)``: sum of weight times distance, not divided by alpha."""
    square: torch.Tensor
    """``(R,)``: sum of weight times squared distance."""
    weights: torch.Tensor
    """``(M,)``."""


def space_of(occupied: torch.Tensor) -> Space:
    """Number the occupied voxels of ``(Z, Y, X)`` bool in grid order."""
    import torch
    import torch.nn.functional as F

    count = int(occupied.sum())
    row = torch.full(occupied.shape, count, dtype=torch.int32, device=occupied.device)
    row[occupied] = torch.arange(count, dtype=torch.int32, device=occupied.device)
    return Space(occupied, F.pad(row, (1,) * 6, value=count), count)


def bundle_rays(
    space: Space, origins: torch.Tensor, directions: torch.Tensor, jitter: torch.Tensor, step: float
) -> Bundle:
    """Sample unit rays ``(R, 3)`` every ``step`` inside active voxels; ``jitter (R,)`` in 0..1 offsets each ray."""
    import torch

    ray, t = _samples(space, origins, directions, jitter, step)
    size, rays = space.size, len(origins)
    points = origins[ray] + t[:, None] * directions[ray]
    where = (points + 1) * (size / 2) + 0.5  # padded voxel coordinates: centre of voxel i at i + 1
    low = where.floor()
    f, low = where - low, low.int()
    pad = size + 2
    base = (low[:, 2] * pad + low[:, 1]) * pad + low[:, 0]
    x, y, z = f.unbind(1)
    offsets, weights = [], []
    for dz, wz in ((0, 1 - z), (1, z)):
        for dy, wy in ((0, 1 - y), (1, y)):
            plane = wz * wy
            for dx, wx in ((0, 1 - x), (1, x)):
                offsets.append((dz * pad + dy) * pad + dx)
                weights.append(plane * wx)
    corners = base[:, None] + torch.tensor(offsets, dtype=torch.int32, device=base.device)
    columns = space.row.view(-1)[corners.view(-1)]
    counts = torch.bincount(ray, minlength=rays)
    first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    gather, scatter = sparse_pair(columns, torch.stack(weights, 1).view(-1), len(ray), space.count + 1)
    ones = torch.ones(len(ray), device=t.device)
    order = torch.arange(len(ray), dtype=torch.int32, device=t.device)
    return Bundle(rays, step, ray, first, t, gather, scatter, _csr(first.int(), order, ones, (rays, len(ray))))


def _samples(
    space: Space, origins: torch.Tensor, directions: torch.Tensor, jitter: torch.Tensor, step: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ray number and distance of every sample in an active voxel, sorted by ray, then by distance."""
    import torch

    size = space.size
    cells = torch.nonzero(space.occupied)
    nothing = torch.zeros(0, dtype=torch.int64, device=origins.device)
    if not len(cells):
        return nothing, nothing.float()
    low, high = (cells.amin(0).flip(0) * (2 / size) - 1), ((cells.amax(0) + 1).flip(0) * (2 / size) - 1)
    inverse = 1 / torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
    a, b = (low - origins) * inverse, (high - origins) * inverse
    enter, leave = torch.minimum(a, b).amax(1).clamp(min=0), torch.maximum(a, b).amin(1)
    flat = space.occupied.view(-1)
    found: list[torch.Tensor] = []
    times: list[torch.Tensor] = []
    for start in range(0, len(origins), 8192):
        cut = slice(start, start + 8192)
        span = (leave - enter)[cut]
        steps = int(float(span.max().clamp(min=0)) / step) + 1
        offset = (jitter[cut, None] + torch.arange(steps, device=origins.device)) * step
        live = torch.nonzero(offset < span[:, None])
        t = (enter[cut, None] + offset)[live[:, 0], live[:, 1]]
        ray = live[:, 0] + start
        cell = ((origins[ray] + t[:, None] * directions[ray] + 1) * (size / 2)).int().clamp(0, size - 1)
        keep = flat[(cell[:, 2] * size + cell[:, 1]) * size + cell[:, 0]]
        found.append(ray[keep])
        times.append(t[keep])
    return torch.cat(found), torch.cat(times)


def sparse_pair(
    columns: torch.Tensor, values: torch.Tensor, rows: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrix ``(rows, width)`` with eight entries a row, and its transpose, both in compressed rows."""
    import torch

    crow = torch.arange(0, 8 * rows + 1, 8, dtype=torch.int32, device=columns.device)
    gather = _csr(crow, columns, values, (rows, width))
    if columns.device.type == "cpu":
        from scipy.sparse import csr_matrix

        turned = csr_matrix((values.numpy(), columns.numpy(), crow.numpy()), shape=(rows, width)).tocsc()
        parts = (torch.from_numpy(turned.indptr), torch.from_numpy(turned.indices), torch.from_numpy(turned.data))
    else:
        order = torch.argsort(columns, stable=True)
        counts = torch.bincount(columns, minlength=width)
        parts = (torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int(), (order // 8).int(), values[order])
    return gather, _csr(*parts, (width, rows))


def _csr(crow: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "Sparse CSR support is in beta", once a process
        return torch.sparse_csr_tensor(crow, columns, values, shape, check_invariants=False)


def march_rays(table: torch.Tensor, bundle: Bundle) -> Seen:
    """Render the rays of ``bundle`` from ``table (A, 4)``: raw density and RGB of the active voxels."""
    out, weights = _function().apply(table, bundle)
    return Seen(out[:, :3] + (1 - out[:, 3:4]), out[:, 3], out[:, 4], out[:, 5], weights)


_cached: list[Any] = []


def _function() -> Any:
    """The autograd function, made when first needed: torch stays out of the import."""
    if not _cached:
        _cached.append(_make_function())
    return _cached[0]


def _make_function() -> Any:
    import torch
    import torch.nn.functional as F

    class March(torch.autograd.Function):
        """``w_j = T_j (1 - e^-tau_j)``; ``dL/dtau_j = q_j T_{j+1} - sum_{i>j} q_i w_i`` with ``q_j = dL/dw_j``."""

        @staticmethod
        def forward(ctx: Any, table: torch.Tensor, bundle: Bundle) -> tuple[torch.Tensor, torch.Tensor]:
            outside = table.new_tensor([[EMPTY, 0.5, 0.5, 0.5]])
            values = bundle.gather @ torch.cat([table, outside])
            before = values[:, 0] * SHARPNESS + DENSITY_SHIFT
            tau = F.softplus(before) * bundle.step
            # one running sum over all samples, in float64: a ray's part is a difference of two of its entries
            running = tau.double().cumsum(0)
            start = torch.cat([running.new_zeros(1), running])[bundle.first[:-1]]
            through = torch.exp(-(running - tau - start[bundle.ray]).to(tau.dtype))
            weights = through * -torch.expm1(-tau)
            lit = torch.cat([values[:, 1:], torch.stack([torch.ones_like(tau), bundle.t, bundle.t.square()], 1)], 1)
            out = bundle.sums @ (weights[:, None] * lit)
            ctx.bundle = bundle
            ctx.save_for_backward(lit, before, through, weights)
            return out, weights

        @staticmethod
        def backward(ctx: Any, g_out: torch.Tensor, g_weights: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
            lit, before, through, weights = ctx.saved_tensors
            bundle = ctx.bundle
            along = g_out[bundle.ray]
            q = (along * lit).sum(1) + g_weights
            running = (q * weights).double().cumsum(0)
            end = torch.cat([running.new_zeros(1), running])[bundle.first[1:]]
            later = (end[bundle.ray] - running).to(q.dtype)
            g_tau = q * (through - weights) - later
            g_raw = g_tau * torch.sigmoid(before) * (bundle.step * SHARPNESS)
            g_values = torch.cat([g_raw[:, None], weights[:, None] * along[:, :3]], 1)
            return (bundle.scatter @ g_values)[:-1], None

    return March
