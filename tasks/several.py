"""Several photos of one product: each cut out on its own, then all of them placed in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from db.planning import FurtherPhoto
from db.stage_runs import Stored
from tasks.run_stage import StageRequest, StageResult


def segment_further(request: StageRequest, photo: Stored) -> StageRequest:
    """The segment stage for one more photo, by the main photo's request."""
    return replace(request, inputs={"photo": photo}, linked=False)


def align_all(request: StageRequest, main_sha256: str, cut: Sequence[tuple[FurtherPhoto, StageResult]]) -> StageRequest:
    """The align stage, by the request for the main photo alone, for it and the others that were cut out."""
    inputs = dict(request.inputs)
    shots: list[dict[str, Any]] = [
        {"input": "cutout", "name": main_sha256, "role": "main", "azimuth": 0.0, "elevation": None}
    ]
    for number, (photo, result) in enumerate(cut, 2):
        inputs[f"cutout {number}"] = result.artifact("cutout")
        pose = {"role": photo.role, "azimuth": photo.azimuth, "elevation": photo.elevation}
        shots.append({"input": f"cutout {number}", "name": photo.sha256} | pose)
    return replace(request, inputs=inputs, about={"shots": shots})
