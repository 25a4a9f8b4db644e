"""The finish stage: budgets, texture, files, checks and pictures of one asset."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.artifacts import Cutout, Field, Mesh, ViewSet
from core.errors import MeshFailed
from core.mesh.gltf import write_glb
from core.mesh.params import FinishParams
from core.mesh.topology import inspect, vertex_normals
from core.mesh.values import AssetAbout, Finished, Model
from core.progress import Progress, silent


def finish_asset(
    mesh: Mesh,
    field: Field,
    cutout: Cutout,
    view_set: ViewSet,
    params: FinishParams,
    about: AssetAbout,
    progress: Progress = silent,
) -> Finished:
    """Everything a shop publishes of one asset. Raises :class:`MeshFailed` and :class:`BudgetExceeded`."""
    import igl

    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    if len(faces) > params.faces:
        vertices, faces, _, birth = igl.qslim(
            np.asfortranarray(vertices), np.asfortranarray(faces.astype(np.int32)), params.faces
        )
        colors = None if mesh.colors is None else mesh.colors[birth]
    else:
        colors = mesh.colors
    state = inspect(vertices, faces)
    if not state.sound:
        raise MeshFailed("Decimation left no closed surface.")
    scale, offset = placement(vertices, about.height_cm)
    model = Model(
        ((vertices + offset) * scale).astype(np.float32),
        vertex_normals(vertices, faces).astype(np.float32),
        np.asarray(faces, np.int64),
        colors=colors,
    )
    glb = write_glb(model, about.sku, about.copyright, extras(about))
    return Finished({"model.glb": glb}, {"topology": state.report(), "bytes": {"model.glb": len(glb)}})


def placement(vertices: np.ndarray[Any, Any], height_cm: float | None) -> tuple[float, np.ndarray[Any, Any]]:
    """Scale and offset so that ``(v + offset) * scale`` stands on the origin, centred, in metres (or one unit long)."""
    low, high = vertices.min(0), vertices.max(0)
    size = high - low
    offset = -np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    return (height_cm / 100 / size[1] if height_cm else 1 / size.max()), offset


def extras(about: AssetAbout) -> dict[str, Any]:
    """What the file says about its origin."""
    return {
        "sku": about.sku,
        "asset_id": about.asset_id,
        "recipe_hash": about.recipe_hash,
        "checkpoint": about.checkpoint,
        "checkpoint_licence": about.checkpoint_licence,
        "size": f"real, height {about.height_cm} cm" if about.height_cm else "unknown: longest side is 1 unit",
    }
