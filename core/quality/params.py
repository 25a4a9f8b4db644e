"""Parameters of the assess stage."""

from __future__ import annotations

from pydantic import Field

from core.parameters import Parameters


class QualityParams(Parameters):
    """GLB to verdict."""

    finished: float = Field(0.5, ge=0, le=1, description="Score from which an asset is published")
    review: float = Field(0.2, ge=0, le=1, description="Score from which a person is asked; below it the asset failed")
    named: float = Field(
        0.6, ge=0, le=1, description="A check below this becomes a named reason beside the score (0 bad, 1 good)"
    )
