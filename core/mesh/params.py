"""Parameters of the mesh and finish stages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.parameters import Parameters


class MeshParams(Parameters):
    """Field to mesh."""

    engine: Literal["pymeshlab", "permissive"] = Field("pymeshlab", description="`permissive` never loads GPL code")


class FinishParams(Parameters):
    """Mesh to GLB."""

    faces: int = Field(20_000, ge=100, le=500_000, description="Face budget of the published GLB")
    texture: int = Field(1024, ge=64, le=4096, description="Texture size in texels; a power of two")
