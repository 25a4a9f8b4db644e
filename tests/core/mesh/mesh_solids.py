"""Oracle fields: analytic signed distances turned into densities, and what an exact camera sees of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.artifacts import Cutout, Field, ViewSet
from core.cameras import Camera
from core.mesh.surface import marching_cubes, solid
from core.render import over, render_mesh

Distance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def box(x: np.ndarray, y: np.ndarray, z: np.ndarray, centre: tuple, half: tuple) -> np.ndarray:
    q = np.stack([np.abs(c - m) - h for c, m, h in zip((x, y, z), centre, half, strict=True)])
    return np.linalg.norm(np.maximum(q, 0), axis=0) + np.minimum(q.max(0), 0)


def sphere(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y + z * z) - 0.45


def torus(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.hypot(np.hypot(x, z) - 0.33, y) - 0.13


def drilled(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.maximum(box(x, y, z, (0, 0, 0), (0.35, 0.4, 0.3)), 0.18 - np.hypot(x, y))


def chair(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    parts = [((0, 0, 0), (0.3, 0.03, 0.3)), ((0, 0.47, -0.27), (0.3, 0.04, 0.03))]
    parts += [((sx * 0.26, -0.25, sz * 0.26), (0.03, 0.25, 0.03)) for sx in (-1, 1) for sz in (-1, 1)]
    parts += [((-0.24 + 0.16 * k, 0.25, -0.27), (0.03, 0.25, 0.025)) for k in range(4)]
    return np.min([box(x, y, z, *part) for part in parts], axis=0)


def pair(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Two shoes, so to say: two parts that both belong."""
    return np.minimum(box(x, y, z, (-0.2, 0, 0), (0.12, 0.1, 0.3)), box(x, y, z, (0.2, 0, 0), (0.12, 0.1, 0.3)))


SOLIDS: dict[str, Distance] = {"sphere": sphere, "torus": torus, "drilled": drilled, "chair": chair, "pair": pair}


def grid(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    centres = (-1 + (np.arange(n) + 0.5) * 2 / n).astype(np.float32)
    z, y, x = np.meshgrid(centres, centres, centres, indexing="ij")
    return x, y, z


def density_of(distance: Distance, n: int, peak: float = 100) -> np.ndarray:
    """Half of ``peak`` on the surface, rising over one voxel to each side."""
    return (peak * np.clip(0.5 - distance(*grid(n)) * n / 4, 0, 1)).astype(np.float32)


def paint(points: np.ndarray) -> np.ndarray:
    """A smooth coloured pattern in 0..1 at ``(..., 3)``."""
    waves = np.sin(points @ np.array([[7, 2, 1], [1, 8, 3], [2, 1, 6.0]]))
    return 0.5 + 0.35 * waves


def scene(
    distance: Distance, n: int = 64, *, elevation: float = 15, views: int = 4, info: dict | None = None
) -> tuple[Field, Cutout, ViewSet]:
    """The field of a painted solid with exactly the pictures that its cameras take."""
    density = density_of(distance, n)
    vertices, faces = marching_cubes(solid(density, 50, 0))
    colors = paint(vertices) * 255
    camera = Camera(0, elevation)

    def picture(eye: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
        render = render_mesh(vertices, faces, eye, size, colors=colors, supersample=2)
        return render.rgb, render.alpha

    rgb, alpha = picture(camera, 512)
    cutout = Cutout(np.dstack([rgb, alpha]), (0, 0, 512, 512), "alpha")
    cameras = tuple(Camera(360 * (i + 0.5) / views, 15) for i in range(views))
    images = [over(*picture(eye, 128)) for eye in cameras]
    view_set = ViewSet(np.array(images, np.uint8).reshape(-1, 128, 128, 3), cameras, camera)
    color = paint(np.stack(grid(n), -1)).astype(np.float32)
    return Field(density, color, camera, info or {}), cutout, view_set
