"""How long the rasteriser takes: a sphere of a given number of faces, 256² and 512², one core.

python bench/raster.py [--faces 50000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from core.cameras import Camera
from core.render import render_mesh, soft_light


def sphere(faces: int) -> tuple[np.ndarray, np.ndarray]:
    """A latitude-longitude sphere of radius .5 with about ``faces`` triangles."""
    n = max(4, round((faces / 4) ** 0.5))
    theta, phi = np.meshgrid(
        np.linspace(1e-3, np.pi - 1e-3, n + 1), np.linspace(0, 2 * np.pi, 2 * n + 1), indexing="ij"
    )
    vertices = 0.5 * np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1)
    i = np.arange(n)[:, None] * (2 * n + 1) + np.arange(2 * n)
    quads = np.stack([i, i + 2 * n + 1, i + 2 * n + 2, i + 1], -1).reshape(-1, 4)
    return vertices.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def milliseconds(work: object, repeats: int = 15) -> float:
    """The median of ``repeats`` CPU times."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()  # type: ignore[operator]
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=50_000)
    vertices, faces = sphere(parser.parse_args().faces)
    colors = np.full((len(vertices), 3), 128, np.uint8)
    camera = Camera(30, 20)
    print(f"{len(faces)} faces; CPU milliseconds, median of 15")
    for size in (256, 512):
        for cull in (False, True):
            for s in (1, 2, 3):
                t = milliseconds(
                    lambda size=size, s=s, cull=cull: render_mesh(
                        vertices, faces, camera, size, colors=colors, shade=soft_light, supersample=s, cull=cull
                    )
                )
                print(f"{size}², {s * s} sample(s) a pixel, {'culled' if cull else 'both sides'}: {t:.1f}")


if __name__ == "__main__":
    main()
