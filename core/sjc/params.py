"""Parameters of the reconstruct stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.parameters import Parameters


class ReconstructParams(Parameters):
    """View set to field."""

    preset: Literal["fast", "released"] = Field("fast", description="`released` replays the original settings")
    steps: int = Field(200, ge=1, le=20000, description="Optimiser steps")
