"""Fairing: the smooth surface nearest to a marched one, and nearest to where some of its vertices belong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout
from core.cameras import Camera
from core.mesh.outline import foot_targets, rim_targets
from core.mesh.topology import crossing_faces

ROUNDS = 6
"""How often faces that cross others are given back their neighbourhood's old shape before all of it is."""

PULL = 10.0
"""Weight of where a rim or a foot belongs against where it was marched. Thirty raises the outline little, and makes
faces cross."""

FINE = 96
"""Voxels along a side of the grid for which strengths are told: wavelengths are kept on others."""


def smooth(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    seen: Sequence[tuple[Cutout, Camera]],
    strength: float,
    grid: int,
) -> tuple[NDArray[np.float64], dict[str, int]]:
    """The marched surface of a ``grid`` without its pebbles, its rims on the outlines of the photos ``seen``, its foot
    flat.

    No two faces pass through each other; the second value says how many vertices stayed where they were for that.
    """
    if strength <= 0:
        return vertices, {}
    # what L^T L takes out is as long as the fourth root of the strength, in edges
    strength = strength * (grid / FINE) ** 4
    even = faired(vertices, faces, strength)
    rims = [rim_targets(even, faces, cutout.rgba[..., 3], camera) for cutout, camera in seen]
    foot = foot_targets(even, faces)
    pull, targets = np.zeros(len(vertices)), np.zeros_like(vertices)
    pull[foot.index], targets[foot.index] = PULL, foot.targets
    asked, count = np.zeros_like(vertices), np.zeros(len(vertices), np.int64)
    for rim in rims:
        asked[rim.index] += rim.targets
        count[rim.index] += 1
    told = count > 0  # where a foot and a photo speak, the photo does; of two photos the mean
    pull[told], targets[told] = PULL, asked[told] / count[told, None]
    result, kept = untangled(faired(vertices, faces, strength, pull, targets), faces, vertices)
    return result, {"rim": int(told.sum()), "foot": len(foot.index), "left_as_marched": kept}


def faired(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    strength: float,
    pull: NDArray[np.float64] | None = None,
    targets: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """``(V, 3)`` that minimises ``|x - vertices|^2 + strength |L x|^2 + sum pull |x - targets|^2``.

    ``L`` is the umbrella operator: a vertex less its neighbours' mean. The bi-Laplacian ``L^T L`` (Desbrun et al. 1999;
    Botsch and Kobbelt 2004) takes out what is shorter than some nine edges at a ``strength`` of 80 and hardly shrinks
    what is longer. The mesh is a closed manifold; ``pull (V,)`` and ``targets (V, 3)`` come together.
    """
    from scipy.sparse import coo_matrix, diags, identity
    from scipy.sparse.linalg import splu

    n = len(vertices)
    start, end = faces.reshape(-1), faces[:, [1, 2, 0]].reshape(-1)
    adjacency = coo_matrix((np.ones(len(start)), (start, end)), shape=(n, n)).tocsr()
    umbrella = identity(n, format="csr") - diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency
    weight = np.ones(n) if pull is None else 1 + pull
    wanted = vertices if pull is None or targets is None else vertices + pull[:, None] * targets
    matrix = (diags(weight) + strength * (umbrella.T @ umbrella)).tocsc()
    solve = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve
    return np.asarray(solve(np.ascontiguousarray(wanted)), np.float64)


def untangled(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], before: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    """``vertices`` with no two faces through each other, and how many vertices had to go back to ``before``.

    Where faces cross, they and a growing neighbourhood take their old places; ``before`` crosses nowhere.
    """
    result, back = vertices.copy(), np.zeros(len(vertices), bool)
    for grown in range(ROUNDS):
        crossing = crossing_faces(result, faces)
        if not len(crossing):
            return result, int(back.sum())
        touched = np.zeros(len(vertices), bool)
        touched[faces[crossing]] = True
        for _ in range(1 + grown):
            touched[faces[touched[faces].any(1)]] = True
        back |= touched
        result[back] = before[back]
    return before, len(before)
