"""Colour variants: a product whose shape is another one's, by its manifest's `variant_of`. The shape is built once, by
the same keys as for the product that lends it; each variant has textures of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.quality.reasons import Reason, reason
from db.assets import artifact
from db.families import published_family, shows
from db.mends import mend, product_of
from storage import read_bytes
from tasks.factory import Factory
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
    state.refused.clear()


def say_variant(factory: Factory, asset_id: str, base: str, by: str) -> None:
    """Keep that an asset's product is another one of its catalogue in another colour; "": what the manifest says holds
    again. Raises :class:`InputError` where the catalogue shows no such SKU."""
    if base and not shows(factory.engine, asset_id, base):
        raise InputError(f"The catalogue shows no other product {base}: write its SKU as `meshmill assets` does.")
    mend(factory.engine, product_of(factory.engine, asset_id), by, {"variant_of": base or None})


def joined(factory: Factory, asset_id: str) -> bytes:
    """The published GLBs of a product and of its colour variants as one, with KHR_materials_variants. Raises
    :class:`InputError` where there is nothing to join."""
    from core.mesh.variants import join_variants

    family = factory.retry_database(published_family, asset_id)
    waiting = [sku for sku, published in family if published is None]
    if waiting:
        raise InputError(f"{waiting[0]} is not published yet: all colours go into one file.")
    if len(family) == 1:
        raise InputError(f"{family[0][0]} has no colour variants: the manifest's column variant_of names them.")
    glbs = {}
    for sku, published in family:
        stored = factory.retry_database(artifact, published or "", "glb", published=True)
        if stored is None:
            raise InputError(f"{sku} has no GLB any more: build it again.")
        glbs[sku] = read_bytes(factory.store, stored.key, stored.sha256)
    return join_variants(glbs)


def alone(state: AssetBuild) -> list[Reason]:
    """Why a variant was built by itself."""
    candidate = state.job.candidate
    if candidate.variant_of is None or state.shape is not None:
        return []
    words: dict[str, Any] = {"base": candidate.variant_of}
    if candidate.base is None:
        return [reason("variant_of_nothing", "note", **words)]
    return [reason("variant_differs", "affects", **words)]
