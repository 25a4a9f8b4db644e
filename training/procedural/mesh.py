"""Ground truth for evaluation: the surface of an object as a closed mesh with the colours of its paint."""

from __future__ import annotations

import numpy as np
import torch

from core.artifacts import Mesh
from training.procedural.grid import HALF, lattice
from training.procedural.shapes import evaluate, signed_distance
from training.procedural.table import ObjectTable
from training.procedural.texture import paint


def to_mesh(table: ObjectTable, index: int, resolution: int = 128) -> Mesh:
    """Object ``index`` by marching cubes on ``resolution^3`` exact distances; dataset frame, colours sRGB unlit.

    Raises ValueError where nothing of the object is inside the cube.
    """
    from skimage.measure import marching_cubes

    one = table.pick(index, index + 1)
    volume = signed_distance(one, lattice(resolution, HALF, table.device))[0].view(resolution, resolution, resolution)
    values = np.pad(volume.cpu().numpy(), 1, constant_values=1.0)  # closed even where a shape touches the border
    if values.min() >= 0:
        raise ValueError(f"object {one.seeds[0]} has no inside at resolution {resolution}")
    corners, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="ascent", allow_degenerate=False)  # type: ignore[no-untyped-call]
    vertices = (corners[:, ::-1] - 0.5) * (2 * HALF / resolution) - HALF
    points = torch.from_numpy(np.ascontiguousarray(vertices, np.float32)).to(table.device)
    _, rows = evaluate(one, points[None], materials=True)
    assert rows is not None
    albedo, _ = paint(one, torch.zeros_like(rows[0]), rows[0], points.unbind(-1))
    colors = (albedo.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return Mesh(np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.int64), colors)
