"""Parameters of the views stage."""

from __future__ import annotations

from pydantic import Field

from core.parameters import Parameters


class ViewsParams(Parameters):
    """Cutout to view set."""

    checkpoint: str = Field("starter", description="Zero-1-to-3 weights: a registered name, a path, or a hub id")
    steps: int = Field(20, ge=1, le=1000, description="Denoising steps a view")
    guidance: float = Field(3.0, ge=0, le=100, description="Classifier-free guidance scale")
    eta: float = Field(0.0, ge=0, le=1, description="DDIM eta: 0 deterministic, 1 as the original demo")
    elevation: float | None = Field(
        None, ge=-90, le=90, description="The photo's elevation in degrees; None estimates it"
    )
