"""Procedural products: a seeded generator of textured objects, for training and for tests.

Everything is reached lazily, so importing this package loads no torch::

    table = generate_objects(range(16))                      # ObjectTable: padded tensors, B objects (CPU; .to(device))
    cameras = Cameras(azimuth, elevation, radius)            # tensors (B, V): degrees, degrees, dataset units
    views = render(table, cameras, 64, supersample=2)        # Renders: rgb (B, V, 3, H, W), alpha, depth, normal
    views.over(1.0)                                          # on white
    signed_distance(table, points)                           # (B, N), dataset units, negative inside
    to_mesh(table, 0, resolution=128)                        # core.artifacts.Mesh with vertex colours
    composite(rgb, alpha, generator)                         # (N, 3, H, W), (N, 1, H, W): photos for a segmenter

Objects: Y up, front +Z, bounding box centred at the origin, longest side 1 (the dataset of Zero-1-to-3).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.procedural.generate import FAMILIES, generate_objects
    from core.procedural.grid import build_grid
    from core.procedural.shade import Light, studio_light
    from core.procedural.shapes import signed_distance
    from core.procedural.table import ObjectTable
    from core.procedural.views import Cameras, Renders, render

_HOMES = {
    "FAMILIES": "generate",
    "generate_objects": "generate",
    "build_grid": "grid",
    "Cameras": "views",
    "Light": "shade",
    "Renders": "views",
    "render": "views",
    "studio_light": "shade",
    "signed_distance": "shapes",
    "ObjectTable": "table",
}

__all__ = [
    "FAMILIES",
    "Cameras",
    "Light",
    "ObjectTable",
    "Renders",
    "build_grid",
    "generate_objects",
    "render",
    "signed_distance",
    "studio_light",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"core.procedural.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
