"""Separate pieces of a signed volume: crumbs go, what the photo shows stays, and one product stays one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera, project

SHOWN = 0.003
"""Share of the photo's outline that a small piece alone must cover to be kept."""

SEEN = 256
"""Pixels a side of the picture in which pieces are looked for."""

BRIDGE = 1.6
"""Radius of a joint in voxels: what marching cubes and fairing leave standing."""

LONGEST = 0.08
"""Length of the emptiness, in the volume's side, that a joint to a small piece may cross: what floats farther from the
product is a crumb though the photo's outline has room for it. A guitar got a spear as long as itself."""

EMPTINESS = 5.0
"""A path through the emptiest voxel costs ``exp`` of this as much as one through the surface."""

OFF_OUTLINE = 1e4
"""The same for voxels that the photo shows to be empty: no joint leaves the outline where another way is left."""


def without_crumbs(
    volume: NDArray[np.float32], pad: int, mask: NDArray[np.bool_], camera: Camera, share: float
) -> tuple[NDArray[np.float32], int]:
    """``volume`` without pieces below ``share`` of the largest, and their number; what the photo shows alone stays.

    A piece is shown where ``mask (S, S)`` has pixels that it covers and no larger piece does: at least :data:`SHOWN` of
    them. What hides behind the product, or floats beside it, covers none.
    """
    labels, sizes = pieces(volume)
    if len(sizes) < 2:
        return volume, 0
    small = _shrunk(mask)
    enough = max(1.0, SHOWN * small.sum())
    free, dropped = small.copy(), np.zeros(len(sizes) + 1, bool)
    for piece in 1 + np.argsort(-sizes, kind="stable"):
        own = _covered(np.argwhere(labels == piece), volume.shape, pad, camera) & free
        dropped[piece] = sizes[piece - 1] < share * sizes.max() and own.sum() < enough
        if not dropped[piece]:
            free &= ~own
    gone = dropped[labels]
    return np.where(gone, -np.abs(volume), volume).astype(np.float32), int(dropped.sum())


def joined(
    volume: NDArray[np.float32], allowed: NDArray[np.bool_], mask: NDArray[np.bool_], share: float
) -> tuple[NDArray[np.float32], int]:
    """``volume`` in one piece where ``mask (S, S)`` is one, and the number of joints that it took.

    The photo shows that a lamp's shade hangs on its arm; a field may be too thin to be solid there. Piece by piece, the
    densest way to the rest is made solid, within ``allowed``: voxels that the photo's outline leaves room for. Pieces
    below ``share`` of the largest that are farther than :data:`LONGEST` go.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.graph import MCP_Geometric

    if len(_areas(mask)) != 1:
        return volume, 0
    labels, sizes = pieces(volume)
    joints = 0
    while len(sizes) > 1:
        largest = labels == 1 + int(np.argmax(sizes))
        cost = np.exp(EMPTINESS * np.clip(-volume, 0, 1)) * np.where(allowed, 1, OFF_OUTLINE)
        ways = MCP_Geometric(np.where(volume > 0, 1e-3, cost))  # type: ignore[no-untyped-call]
        others = np.argwhere((labels > 0) & ~largest)
        costs, _ = ways.find_costs(np.argwhere(largest), others, find_all_ends=False)  # the first end is the nearest
        end = others[int(np.argmin(costs[tuple(others.T)]))]
        way = tuple(np.array(ways.traceback(end)).T)
        piece = labels == labels[tuple(end)]
        if piece.sum() < share * sizes.max() and (volume[way] <= 0).sum() > LONGEST * max(volume.shape):
            volume = np.where(piece, -np.abs(volume), volume).astype(np.float32)
            labels, sizes = pieces(volume)
            continue
        path = np.ones(volume.shape, bool)
        path[way] = False
        tube = np.clip(BRIDGE - distance_transform_edt(path), -1, 1).astype(np.float32)
        volume = np.maximum(volume, np.where(np.abs(tube) < 1e-3, np.float32(1e-3), tube))
        joints += 1
        labels, sizes = pieces(volume)
    return volume, joints


def pieces(volume: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Labels of what is inside (joined through faces of voxels) and their sizes, in the labels' order."""
    from scipy.ndimage import label

    labels, _ = label(volume > 0)
    return labels, np.bincount(labels.ravel())[1:]


def _areas(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sizes of the mask's parts that count: a hundredth of the largest and more."""
    from scipy.ndimage import label

    labels, count = label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:] if count else np.zeros(0, np.int64)
    return np.asarray(sizes[sizes >= 0.01 * sizes.max(initial=0)])


def _shrunk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from PIL import Image

    return np.asarray(Image.fromarray(mask).resize((SEEN, SEEN), Image.Resampling.NEAREST))


def _covered(voxels: NDArray[np.int64], shape: tuple[int, ...], pad: int, camera: Camera) -> NDArray[np.bool_]:
    """The pixels ``(SEEN, SEEN)`` that voxels ``(N, 3)``, indexed ``[z, y, x]``, cover: each the square about it."""
    from scipy.ndimage import binary_dilation

    n = np.array(shape) - 2 * pad
    x, y, depth = project((-1 + (voxels - pad + 0.5) * 2 / n)[:, ::-1], camera, SEEN).T
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    framed = (column >= 0) & (column < SEEN) & (row >= 0) & (row < SEEN)
    seen = np.zeros((SEEN, SEEN), bool)
    seen[row[framed], column[framed]] = True
    pixels = SEEN / (2 * float(np.median(depth)) * np.tan(np.radians(camera.fov) / 2)) * 2 / float(n.max())
    return np.asarray(binary_dilation(seen, np.ones((3, 3)), max(1, round(pixels / 2))))
