"""Colour variants: a product whose shape is another one's, by its manifest's `variant_of`. The shape is built once, by
the same keys as for the product that lends it; each variant has textures of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.quality.reasons import Reason, reason
from tasks.run_stage import StageRequest, StageResult

if TYPE_CHECKING:
    from tasks.build import AssetBuild

SHAPE_STAGES = ("reconstruct", "mesh")
"""What a variant takes over."""


def begin_shape(state: AssetBuild) -> AssetBuild | None:
    """The build of the product that lends its shape, recorded for nobody; None where there is none that can."""
    base = state.job.candidate.base
    if base is None or base.problem:
        return None
    return replace(
        state,
        job=replace(state.job, candidate=base),
        force=False,
        linked=False,
        made={},
        further=[],
        figures={},
        seconds=0.0,
        cost=0.0,
    )


def recolour(request: StageRequest, shape: AssetBuild) -> StageRequest:
    """The recolour stage, by the variant's request for any stage after its cutout."""
    seen = "photos" if "photos" in shape.made else "cutout"
    inputs = {"cutout": request.inputs["cutout"], f"base {seen}": shape.made[seen], "field": shape.made["field"]}
    return replace(request, stage="recolour", inputs=inputs, params={}, seed=None, models={}, linked=False)


def take_over(state: AssetBuild, recoloured: StageResult) -> None:
    """Go on with the lent shape, seen from the height at which its own photo was taken."""
    candidate = state.job.candidate
    elevation = recoloured.run.figures["elevation"]
    state.job = replace(state.job, candidate=candidate._replace(elevation=elevation))
    state.further.clear()


def alone(state: AssetBuild) -> list[Reason]:
    """Why a variant was built by itself."""
    candidate = state.job.candidate
    if candidate.variant_of is None or state.shape is not None:
        return []
    words: dict[str, Any] = {"base": candidate.variant_of}
    if candidate.base is None:
        return [reason("variant_of_nothing", "note", **words)]
    return [reason("variant_differs", "affects", **words)]
