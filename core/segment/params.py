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
    refine: bool = Field(True, description="Give coarse masks a second look and sharpen them along the photo's edges")
    found: float = Field(0.5, ge=0, le=1, description="Raw maximum of the mask below which there is no object")
    lowest_confidence: float = Field(0.35, ge=0, le=1, description="Confidence below which there is no object")
    doubtful_confidence: float = Field(0.8, ge=0, le=1, description="Confidence below which the cutout is flagged")
    smallest_object: int = Field(64, ge=8, description="Longest side of the object in the photo, pixels")
    largest_area: float = Field(0.97, gt=0, le=1, description="Share of the photo above which the object is too close")
    border_contact: float = Field(
        0.1, ge=0, le=1, description="Contact with one border, over the object's extent along it, that means cropped"
    )
