"""Finishing: from a density field to a clean, textured, right-sized GLB.

    extract_mesh(field, cutout, view_set, params) -> Mesh
    finish_asset(mesh, field, cutout, view_set, params, about, progress, photo) -> Finished
    verify_glb(data or path, profile) -> Verification
    read_glb(data or path) -> Model

The public functions import what they need when they are called: ``import core.mesh`` stays light.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Field, Mesh, ViewSet
from core.mesh.params import FinishParams, MeshParams
from core.mesh.values import AssetAbout, Finished, Model
from core.photo_set import PhotoSet
from core.progress import Progress, no_progress

if TYPE_CHECKING:
    from core.mesh.verify import Verification

__all__ = [
    "AssetAbout",
    "FinishParams",
    "Finished",
    "MeshParams",
    "Model",
    "extract_mesh",
    "finish_asset",
    "read_glb",
    "verify_glb",
]


def extract_mesh(
    field: Field, cutout: Cutout, view_set: ViewSet, params: MeshParams, photos: PhotoSet | None = None
) -> Mesh:
    """See :func:`core.mesh.surface.extract_mesh`."""
    from core.mesh import surface

    return surface.extract_mesh(field, cutout, view_set, params, photos)


def finish_asset(
    mesh: Mesh,
    field: Field,
    cutout: Cutout,
    view_set: ViewSet,
    params: FinishParams,
    about: AssetAbout,
    progress: Progress = no_progress,
    photo: NDArray[np.uint8] | None = None,
    photos: PhotoSet | None = None,
) -> Finished:
    """See :func:`core.mesh.finish.finish_asset`."""
    from core.mesh import finish

    return finish.finish_asset(mesh, field, cutout, view_set, params, about, progress, photo, photos)


def read_glb(source: bytes | str | Path) -> Model:
    """See :func:`core.mesh.gltf.read_glb`."""
    from core.mesh import gltf

    return gltf.read_glb(source)


def verify_glb(source: bytes | str | Path, profile: str | None = None) -> Verification:
    """See :func:`core.mesh.verify.verify_glb`."""
    from core.mesh import verify

    return verify.verify_glb(source, profile)
