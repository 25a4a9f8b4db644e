"""Procedural products: a seeded generator of textured objects, for training and for tests.

Everything is reached lazily, so importing this package loads no torch::

    table = generate_objects(range(16))                      # ObjectTable: padded tensors, B objects (CPU; .to(device))
    cameras = Cameras(azimuth, elevation, radius)            # tensors (B, V): degrees, degrees, dataset units
    views = render(table, cameras, 64, supersample=2)        # Renders: rgb (B, V, 3, H, W), alpha, depth, normal
    views.over(1.0)                                          # on white
    signed_distance(table, points)                           # (B, N), dataset units, negative inside
    to_mesh(table, 0, resolution=128)                        # core.artifacts.Mesh with vertex colours
    shot = composite(rgb, alpha, generator, size=256)        # photos for a segmenter: shot.image, shot.mask, shot.kind
        # rgb (N, 3, H, W), alpha (N, 1, H, W): views.rgb.flatten(0, 1), views.alpha.flatten(0, 1); CPU generator

Objects: Y up, front +Z, bounding box centred at the origin, longest side 1 (the dataset of Zero-1-to-3).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.procedural.backdrops import Composite, composite
    from training.procedural.generate import FAMILIES, draft_objects, generate_objects, normalize
    from training.procedural.grid import build_grid
    from training.procedural.mesh import to_mesh
    from training.procedural.shade import Light, studio_light
    from training.procedural.shapes import signed_distance
    from training.procedural.table import ObjectTable
    from training.procedural.views import Cameras, Renders, render

_HOMES = {
    "Composite": "backdrops",
    "composite": "backdrops",
    "to_mesh": "mesh",
    "FAMILIES": "generate",
    "draft_objects": "generate",
    "generate_objects": "generate",
    "normalize": "generate",
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
    "Composite",
    "Light",
    "ObjectTable",
    "Renders",
    "build_grid",
    "composite",
    "draft_objects",
    "generate_objects",
    "normalize",
    "render",
    "signed_distance",
    "studio_light",
    "to_mesh",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"training.procedural.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
