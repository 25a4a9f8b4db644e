"""Parameters of the mesh and finish stages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.parameters import Parameters


class MeshParams(Parameters):
    """Field to mesh."""

    engine: Literal["pymeshlab", "permissive"] = Field("pymeshlab", description="`permissive` never loads GPL code")
    denoise: float = Field(1.0, ge=0, le=1, description="Gaussian blur of the clipped density, sigma in voxels")
    floater: float = Field(
        0.08,
        ge=0,
        le=1,
        description="Parts below this share of the largest part's volume go, unless the photo shows them",
    )
    fairing: float = Field(
        80.0,
        ge=0,
        le=1000,
        description="Strength of the bi-Laplacian fairing at 96 voxels; 0 leaves the marched surface",
    )


class FinishParams(Parameters):
    """Mesh to GLB."""

    faces: int = Field(20_000, ge=100, le=500_000, description="Face budget of the published GLB")
    lods: tuple[int, ...] = Field((5000, 1000), description="Face budgets of the lighter levels, descending")
    texture: int = Field(1024, ge=64, le=4096, description="Texture size in texels; a power of two")
    jpeg_quality: int = Field(88, ge=50, le=95, description="Quality of the embedded base-colour JPEG")
    delight: float = Field(0.5, ge=0, le=1, description="How much of the smooth shading is taken out of the texture")
    profile: str = Field("khronos-mobile-ar", description="Delivery profile whose budgets the GLB must meet")
    small: bool = Field(True, description="Also write a quantised variant with a WebP texture")
    usdz: bool = Field(True, description="Also write a USDZ for iPhones")
    turntable: int = Field(24, ge=0, le=120, description="Frames of the turntable; 0 for none")
