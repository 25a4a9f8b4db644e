"""Parameters of the assess stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from core.parameters import Parameters
from core.quality.checks import EVIDENCE, SEVERAL, forecasting

WEIGHTS = {
    "views_mask_iou": 0.0966,
    "views_psnr": 0.1456,
    "nearest_view_iou": 0.0642,
    "views_in_outline": 0.0695,
    "views_palette": 0.0549,
    "views_firmness": 0.0209,
    "views_variety": 0.0948,
    "unseen_texture": 0.0255,
    "solidity": 0.0614,
    "convexity": 0.0,
    "compactness": 0.0,
    "photo_contrast": 0.0719,
    "misplaced": 0.0,
    "seed_agreement": 0.0667,
    "shape_confidence": 0.2279,
}
"""Fitted by ``python bench/gate.py fit`` on procedural assets of one photo; `docs/results.md` says how well."""


SEVERAL_WEIGHTS = {
    "left_out_outline": 0.1174,
    "pose_confidence": 0.1481,
    "views_mask_iou": 0.1395,
    "views_psnr": 0.3006,
    "unseen_texture": 0.2945,
}
"""The same on assets from three to six photos."""


class Formula(NamedTuple):
    """How a score follows from checks."""

    weights: Mapping[str, float]
    low: float
    high: float


class QualityParams(Parameters):
    """GLB to verdict."""

    finished: float = Field(0.38, ge=0, le=1, description="Score from which an asset is published")
    review: float = Field(0.05, ge=0, le=1, description="Score from which a person is asked; below it the asset failed")
    named: float = Field(
        0.4, ge=0, le=1, description="A check below this becomes a named reason beside the score (0 bad, 1 good)"
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        WEIGHTS, description="What each check counts; `meshmill review --calibrate` fits them to people's decisions"
    )
    low: float = Field(
        -0.1513, ge=-1, le=1, description="Score of an asset that fails every check; less than 0 counts as 0"
    )
    high: float = Field(
        0.6799, ge=0, le=1, description="Score of an asset without fault: the most that the gate can know"
    )

    several_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        SEVERAL_WEIGHTS, description="The weights of an asset from several photos"
    )
    several_low: float = Field(-0.028, ge=-1, le=1, description="The same as `low`, of several photos")
    several_high: float = Field(0.73, ge=0, le=1, description="The same as `high`, of several photos")

    def formula(self, metrics: Mapping[str, float]) -> Formula:
        """By which an asset with these metrics is scored: with several photos other things are known."""
        if forecasting(metrics) is SEVERAL:
            return Formula(self.several_weights, self.several_low, self.several_high)
        return Formula(self.weights, self.low, self.high)

    @field_validator("weights", "several_weights")
    @classmethod
    def _known_checks(cls, weights: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        known = [check.metric for check in (EVIDENCE if info.field_name == "weights" else SEVERAL)]
        if unknown := sorted(set(weights) - set(known)):
            raise ValueError(f"there is no check called {', '.join(unknown)}: use some of {', '.join(known)}")
        if not any(weights.values()):
            raise ValueError("at least one check must count")
        return weights
