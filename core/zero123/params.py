"""Parameters of the views stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.parameters import Parameters


class Ring(Parameters):
    """Target cameras at one elevation, evenly spaced around the product."""

    elevation: float = Field(ge=-90, le=90, description="Degrees above the product's horizon")
    count: int = Field(ge=1, le=360, description="Cameras in the ring")
    start: float = Field(0.0, description="Azimuth of the first camera in degrees; 0 is the photo's")


class ViewsParams(Parameters):
    """Cutout to view set."""

    checkpoint: str = Field("starter", description="Zero-1-to-3 weights: a registered name, a path, or a hub id")
    steps: int = Field(1, ge=1, le=999, description="Denoising steps a view; 1 is the mean, best for young weights")
    guidance: float = Field(1.0, ge=0, le=100, description="Classifier-free guidance scale; the original used 3")
    eta: float = Field(0.0, ge=0, le=1, description="DDIM eta: 0 deterministic, 1 as the original demo")
    spacing: Literal["original", "leading", "trailing", "linspace"] = Field(
        "trailing", description="Which timesteps are visited; `original` leaves out the largest as the released code"
    )
    rings: tuple[Ring, ...] = Field(
        (Ring(elevation=10, count=8), Ring(elevation=40, count=6, start=30)),
        min_length=1,
        description="Where the synthesized views are taken from",
    )
    batch: int = Field(8, ge=1, le=256, description="Views denoised together; memory and speed, never the pictures")
    elevation: float | None = Field(
        None, ge=-90, le=90, description="The photo's elevation in degrees; None estimates it"
    )
    other_seed: bool = Field(
        False, description="Draw every fourth view again with another seed; assess counts how alike they are"
    )
    elevation_prior: float = Field(
        20.0, ge=-90, le=90, description="Elevation of a typical product photo, taken where the estimate is unsure"
    )
