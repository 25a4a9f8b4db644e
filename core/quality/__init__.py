"""Quality: metrics against ground truth, and the gate that works without one.

assess(cutout, view_set, glb, report, params) -> Assessment
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.artifacts import Cutout, ViewSet
from core.photo_set import PhotoSet
from core.quality.params import QualityParams
from core.reports import FinishReport

if TYPE_CHECKING:
    from core.quality.gate import Assessment

__all__ = ["QualityParams", "assess"]


def assess(
    cutout: Cutout,
    view_set: ViewSet,
    glb: bytes,
    report: FinishReport,
    params: QualityParams,
    photos: PhotoSet | None = None,
) -> Assessment:
    """See :func:`core.quality.gate.assess`."""
    from core.quality import gate

    return gate.assess(cutout, view_set, glb, report, params, photos)
