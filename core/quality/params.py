"""Parameters of the assess stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from core.parameters import Parameters

WEIGHTS = {
    "views_mask_iou": 0.0744,
    "worst_view_mask_iou": 0.0696,
    "views_psnr": 0.1078,
    "nearest_view_iou": 0.0683,
    "views_in_outline": 0.0572,
    "views_palette": 0.0998,
    "views_firmness": 0.0665,
    "unseen_texture": 0.1152,
    "solidity": 0.0232,
    "convexity": 0.0493,
    "compactness": 0.0297,
    "photo_contrast": 0.0848,
    "misplaced": 0.0828,
    "seed_agreement": 0.0714,
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
        -0.0667, ge=-1, le=1, description="Score of an asset that fails every check; less than 0 counts as 0"
    )
    high: float = Field(
        0.6837, ge=0, le=1, description="Score of an asset without fault: the most that the gate can know"
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
