"""Parameters of the segment stage."""

from __future__ import annotations

from pydantic import Field

from core.parameters import Parameters


class SegmentParams(Parameters):
    """Photo to cutout."""

    model: str = Field(
        "starter", description="Segmentation model: `starter`, a rembg model name, or a path to an ONNX file"
    )
    use_alpha: bool = Field(True, description="Trust the photo's own alpha channel where it has one")
