"""Parameters of the assess stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from core.parameters import Parameters
from core.quality.checks import EVIDENCE

WEIGHTS = {
    "views_mask_iou": 0.1636,
    "worst_view_mask_iou": 0.1102,
    "views_psnr": 0.0639,
    "nearest_view_iou": 0.0223,
    "views_in_outline": 0.0428,
    "views_palette": 0.1135,
    "views_firmness": 0.0158,
    "views_variety": 0.1148,
    "unseen_texture": 0.1275,
    "solidity": 0.0,
    "convexity": 0.014,
    "compactness": 0.0,
    "photo_contrast": 0.1085,
    "misplaced": 0.0364,
    "seed_agreement": 0.0667,
}
"""Fitted by ``python bench/gate.py fit`` on procedural assets of every quality; `docs/evaluation.md` says how well."""


class QualityParams(Parameters):
    """GLB to verdict."""

    finished: float = Field(0.45, ge=0, le=1, description="Score from which an asset is published")
    review: float = Field(0.05, ge=0, le=1, description="Score from which a person is asked; below it the asset failed")
    named: float = Field(
        0.4, ge=0, le=1, description="A check below this becomes a named reason beside the score (0 bad, 1 good)"
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        WEIGHTS, description="What each check counts; `meshmill review --calibrate` fits them to people's decisions"
    )
    low: float = Field(
        -0.191, ge=-1, le=1, description="Score of an asset that fails every check; less than 0 counts as 0"
    )
    high: float = Field(
        0.7794, ge=0, le=1, description="Score of an asset without fault: the most that the gate can know"
    )

    @field_validator("weights")
    @classmethod
    def _known_checks(cls, weights: dict[str, float]) -> dict[str, float]:
        known = [check.metric for check in EVIDENCE]
        if unknown := sorted(set(weights) - set(known)):
            raise ValueError(f"there is no check called {', '.join(unknown)}: use some of {', '.join(known)}")
        if not any(weights.values()):
            raise ValueError("at least one check must count")
        return weights
