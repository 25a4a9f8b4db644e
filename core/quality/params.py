"""Parameters of the assess stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from core.parameters import Parameters

WEIGHTS = {
    "input_mask_iou": 0.0721,
    "input_psnr": 0.1014,
    "views_mask_iou": 0.0474,
    "worst_view_mask_iou": 0.0437,
    "views_psnr": 0.1368,
    "views_detail": 0.0663,
    "views_contrast": 0.0,
    "views_palette": 0.0745,
    "views_firmness": 0.0525,
    "sides_detail": 0.0409,
    "sharpness": 0.0,
    "seams": 0.0679,
    "unseen_texture": 0.0691,
    "parts": 0.0711,
    "handles": 0.0,
    "compactness": 0.0098,
    "photo_contrast": 0.0964,
    "cutout_confidence": 0.0,
    "elevation_confidence": 0.0,
    "seed_agreement": 0.05,
}
"""Fitted by ``python bench/gate.py fit`` on procedural assets of every quality; `docs/evaluation.md` says how well."""


class QualityParams(Parameters):
    """GLB to verdict."""

    finished: float = Field(0.35, ge=0, le=1, description="Score from which an asset is published")
    review: float = Field(0.05, ge=0, le=1, description="Score from which a person is asked; below it the asset failed")
    named: float = Field(
        0.4, ge=0, le=1, description="A check below this becomes a named reason beside the score (0 bad, 1 good)"
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        WEIGHTS, description="What each check counts; `meshmill review --calibrate` fits them to people's decisions"
    )
    low: float = Field(0.0, ge=0, le=1, description="Score of an asset that fails every check")
    high: float = Field(
        0.6471, ge=0, le=1, description="Score of an asset without fault: the most that the gate can know"
    )

    @field_validator("weights")
    @classmethod
    def _known_checks(cls, weights: dict[str, float]) -> dict[str, float]:
        from core.quality.gate import EVIDENCE

        known = [check.metric for check in EVIDENCE]
        if unknown := sorted(set(weights) - set(known)):
            raise ValueError(f"there is no check called {', '.join(unknown)}: use some of {', '.join(known)}")
        if not any(weights.values()):
            raise ValueError("at least one check must count")
        return weights
