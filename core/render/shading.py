"""What pictures for people need beyond the rasteriser: a soft light and a background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera


def soft_light(normals: NDArray[np.float32], camera: Camera, ambient: float = 0.55) -> NDArray[np.float32]:
    """Brightness ``(N,)`` in 0..1 of world normals ``(N, 3)``: ambient plus a large light over the camera's left
    shoulder.

    Half-Lambert (wrapped) so that no side goes black; for looking at shapes, not for measuring them.
    """
    pose = camera.camera_to_world()[:3, :3]
    light = pose @ np.array([-0.35, 0.55, 0.76])
    wrapped = np.clip(normals @ (light / np.linalg.norm(light)) * 0.5 + 0.5, 0, 1)
    return np.asarray(ambient + (1 - ambient) * wrapped, np.float32)


def over(
    rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], background: tuple[int, int, int] = (255, 255, 255)
) -> NDArray[np.uint8]:
    """Straight-alpha ``(H, W, 3)`` and ``(H, W)`` composited over one colour, ``(H, W, 3)``."""
    a = alpha[..., None].astype(np.float32) / 255
    mixed = rgb * a + np.array(background, np.float32) * (1 - a)
    return np.asarray(np.rint(mixed), np.uint8)
