"""Several photos of one product: each cut out on its own, then all of them placed in one frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from db.candidates import FurtherPhoto
from db.stage_runs import Stored
from tasks.run_stage import StageRequest, StageResult


def segment_further(request: StageRequest, photo: Stored) -> StageRequest:
    """The segment stage for one more photo, by the main photo's request."""
    return replace(request, inputs={"photo": photo}, linked=False)


def align_all(
    request: StageRequest,
    main_sha256: str,
    main: Mapping[str, Any],
    cut: Sequence[tuple[FurtherPhoto, StageResult]],
    refused: Sequence[tuple[FurtherPhoto, str]] = (),
) -> StageRequest:
    """The align stage, by the request for the main photo alone, for it and the others that were cut out. ``main`` are
    the figures of the main photo's segment stage. What cannot be used is recorded beside them, with its sentence."""
    inputs = dict(request.inputs)
    shots: list[dict[str, Any]] = [
        {
            "input": "cutout",
            "name": main_sha256,
            "role": "main",
            "azimuth": 0.0,
            "elevation": None,
            "size": size_of(main),
        }
    ]
    for number, (photo, result) in enumerate(cut, 2):
        inputs[f"cutout {number}"] = result.artifact("cutout")
        pose = {
            "role": photo.role,
            "azimuth": photo.azimuth,
            "elevation": photo.elevation,
            "size": size_of(result.run.figures),
        }
        shots.append({"input": f"cutout {number}", "name": photo.sha256} | pose)
    left_out = [
        {"name": photo.sha256, "role": photo.role, "azimuth": photo.azimuth, "elevation": photo.elevation, "why": why}
        for photo, why in refused
    ]
    return replace(request, inputs=inputs, about={"shots": shots} | ({"refused": left_out} if left_out else {}))


def size_of(figures: Mapping[str, Any]) -> list[int] | None:
    """Width and height of the photo that a segment stage read; the oldest runs did not record them."""
    return [figures["width"], figures["height"]] if {"width", "height"} <= set(figures) else None
