"""Finishing: from a density field to a clean, textured, right-sized GLB.

    extract_mesh(field, cutout, view_set, params) -> Mesh
    finish_asset(mesh, field, cutout, view_set, params, about, progress, photo) -> Finished
    verify_glb(data or path, profile) -> Verification
    read_glb(data or path) -> Model

The public functions are imported when first asked for: ``import core.mesh`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.mesh.params import FinishParams, MeshParams
from core.mesh.values import AssetAbout, Finished, Model

if TYPE_CHECKING:
    from core.mesh.finish import finish_asset
    from core.mesh.gltf import read_glb
    from core.mesh.surface import extract_mesh
    from core.mesh.verify import verify_glb

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

_MODULES = {"extract_mesh": "surface", "finish_asset": "finish", "read_glb": "gltf", "verify_glb": "verify"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
