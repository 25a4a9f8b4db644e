"""The released extraction: how the original turned its field into a mesh. Kept for comparison, not for products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import ReconstructionFailed
from core.sjc.field import Voxels, activate

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ReleasedMesh:
    """Vertices in the original's frame (axes ``x, z, -y``, half the box's scale) and what they were cut from."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    eroded: NDArray[np.float32]
    """``(2Z, 2Y, 2X)`` smoothed, eroded density."""
    threshold: float


def smoothed_density(voxels: Voxels) -> tuple[torch.Tensor, float]:
    """Density x2 upsampled, 7^3 mean (padding counts), 5^3 erosion; and the threshold, 8 x the mean before erosion."""
    import torch
    import torch.nn.functional as F

    with torch.no_grad():
        fine = F.interpolate(voxels.density, scale_factor=2, mode="trilinear", align_corners=False)
        mean = F.avg_pool3d(activate(fine, voxels.scale), 7, stride=1, padding=3)
        eroded = -F.max_pool3d(-mean, 5, stride=1, padding=2)
        return eroded[0, 0], 8 * float(mean.mean())


def released_mesh(voxels: Voxels) -> ReleasedMesh:
    """Marching cubes at the threshold, ``v / 2N - 1/2``, axes reordered. Raises :class:`ReconstructionFailed`."""
    from skimage.measure import marching_cubes

    density, threshold = smoothed_density(voxels)
    eroded = density.cpu().numpy()
    if not eroded.min() < threshold < eroded.max():
        raise ReconstructionFailed("The released extraction found no surface: the density never crosses its threshold.")
    vertices, faces, _, _ = marching_cubes(eroded.transpose(2, 1, 0), threshold)  # type: ignore[no-untyped-call]
    unit = vertices / np.array(eroded.shape[::-1]) - 0.5
    return ReleasedMesh(
        np.ascontiguousarray(np.stack([unit[:, 0], unit[:, 2], -unit[:, 1]], 1), np.float32),
        faces.astype(np.int32),
        eroded,
        threshold,
    )
