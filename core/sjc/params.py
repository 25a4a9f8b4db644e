"""Parameters of the reconstruct stage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from core.parameters import Parameters


class ReconstructParams(Parameters):
    """View set to field. A weight of 0 switches its term off."""

    preset: Literal["fast", "released"] = Field("fast", description="`released` replays the original settings")
    steps: int = Field(200, ge=1, le=20000, description="Optimiser steps")
    grid: int = Field(96, ge=16, le=256, description="Voxels along one side of the finest grid (released: 100)")
    rays: int = Field(4096, ge=256, le=65536, description="Rays of the views rendered in one step (fast)")
    score_cameras: int = Field(1, ge=1, le=16, description="Cameras a score step renders at once (fast)")
    score_every: int = Field(4, ge=1, le=100, description="A score step joins every so many fitting steps (fast)")
    score_from: float = Field(0.4, ge=0, le=1, description="Share of the run after which score steps begin (fast)")
    noise_first: tuple[float, float] = Field(
        (0.42, 0.6), description="Shares of the timesteps between which the first score steps draw their noise (fast)"
    )
    noise_last: tuple[float, float] = Field((0.14, 0.2), description="The same of the last score steps (fast)")
    noise_settles: float = Field(
        1.0, gt=0, le=1, description="Share of the run by which the noise has fallen to its last range (fast)"
    )
    score_elevations: tuple[float, float] = Field(
        (-15.0, 45.0), description="Lowest and highest elevation of the score's cameras, degrees (fast)"
    )
    score_silhouette: float = Field(
        0.0,
        ge=0,
        description="Outlines of the denoised pictures beside their colours; 0 where the model draws them badly (fast)",
    )
    score_by_angle: bool = Field(
        False, description="Weigh a score camera by its angle to the photo: the photo knows its own side best (fast)"
    )
    ground_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the steps that compare over a random colour, against white floaters (fast)",
    )
    guidance: float = Field(1.0, ge=0, le=100, description="Guidance of the score (fast)")
    released_guidance: float = Field(100.0, ge=0, le=1000, description="Guidance of the released preset")
    released_emptiness: float = Field(
        0.0,
        ge=0,
        description="Emptiness of the released preset as Score Jacobian Chaining for text has it (there 10000): clears "
        "fog, twenty times as strong in the second half; the original command has none",
    )
    fit_weight: float = Field(0.3, ge=0, description="Fit to the synthesized views (fast)")
    score_weight: float = Field(1.0, ge=0, description="Score of the diffusion model")
    input_weight: float = Field(4.0, ge=0, description="The photo itself, colours and silhouette")
    smooth_weight: float = Field(0.02, ge=0, description="Depth smoothness")
    near_weight: float = Field(0.1, ge=0, description="Consistency with a camera nearby")
    spread_weight: float = Field(0.3, ge=0, description="Matter along a ray gathers in one surface (fast)")
    emptiness_weight: float = Field(0.002, ge=0, description="Emptiness; keep it weak")
    matter_share: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Share of the model's own volume in where matter is, with weights that have a lift (fast); "
        "unless 0, colours are the volume's too",
    )
    early_stop: bool = Field(True, description="Stop when silhouettes and colours have settled")

    @model_validator(mode="before")
    @classmethod
    def _as_released(cls, given: Any) -> Any:
        """The released preset's own numbers where nothing else is said (REFERENCE section 4)."""
        if isinstance(given, dict) and given.get("preset") == "released":
            return {"steps": 10_000, "grid": 100} | given
        return given
