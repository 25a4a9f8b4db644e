"""Drips and spurs: thin tips that stick out of a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.mesh.placement import Points

SIZE = 192
"""Pixels a side of the pictures in which tips are looked for."""

THIN = 4
"""A tip fits into no disc of this radius in pixels; chairs' legs do."""

AZIMUTHS = (0, 90, 180, 270)


def thin_tips(world: Points, faces: NDArray[np.int64]) -> float:
    """How far the longest thin tip sticks out, seen from four sides: a share of the picture's side."""
    from core.render import render_mesh

    world = world - (world.min(0) + world.max(0)) / 2
    pictures = (
        render_mesh(world, faces, Camera(azimuth, 10), SIZE, supersample=2).alpha >= 128 for azimuth in AZIMUTHS
    )
    return max(longest_tip(mask) for mask in pictures) / SIZE


def longest_tip(mask: NDArray[np.bool_]) -> float:
    """Pixels that the longest thin part of a mask ``(S, S)`` reaches away from what is thicker. Parts that hang on at
    two ends, such as handles, are no tips."""
    from scipy import ndimage

    mask = np.pad(mask, 2 * THIN)
    body = ndimage.binary_opening(mask, _disc(THIN))
    away = ndimage.distance_transform_edt(~body)
    parts, count = ndimage.label(mask & ~ndimage.binary_dilation(body, _disc(1)), np.ones((3, 3)))
    longest = 0.0
    for number in range(1, count + 1):
        part = parts == number
        _, ends = ndimage.label(ndimage.binary_dilation(part, _disc(2)) & body, np.ones((3, 3)))
        if ends == 1:
            longest = max(longest, float(away[part].max()))
    return longest


def _disc(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(np.hypot(x, y) <= radius + 0.3)
