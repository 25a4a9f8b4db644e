"""Several colours of one surface in one GLB."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_finish import ABOUT, SMALLEST, finished

from core.errors import InputError
from core.mesh import FinishParams, finish_asset, read_glb, verify_glb
from core.mesh.gltf import unpack_glb
from core.mesh.variants import join_variants


def coloured(shift: int, params: FinishParams = SMALLEST) -> bytes:
    _, mesh, field, cutout, views = finished("torus")
    rgba = cutout.rgba.copy()
    rgba[..., :3] = np.roll(rgba[..., :3], shift, -1)
    images = np.roll(views.images, shift, -1)
    about = replace(ABOUT, sku=f"colour-{shift}")
    cutout, views = replace(cutout, rgba=rgba), replace(views, images=images)
    return finish_asset(mesh, field, cutout, views, params, about).files["model.glb"]


def test_colours_of_one_surface_are_one_file(khronos: Callable[..., list[Any]]) -> None:
    glbs = {f"colour-{shift}": coloured(shift) for shift in range(3)}
    data = join_variants(glbs)
    (issues,) = khronos(data)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
    document, body = unpack_glb(data)
    variants = document["extensions"]["KHR_materials_variants"]["variants"]
    assert [variant["name"] for variant in variants] == list(glbs)
    (primitive,) = document["meshes"][0]["primitives"]
    for mapping in primitive["extensions"]["KHR_materials_variants"]["mappings"]:
        (number,) = mapping["variants"]
        shown = document["materials"][mapping["material"]]["pbrMetallicRoughness"]["baseColorTexture"]["index"]
        view = document["bufferViews"][document["images"][document["textures"][shown]["source"]]["bufferView"]]
        image = body[view["byteOffset"] :][: view["byteLength"]]
        assert image == read_glb(glbs[f"colour-{number}"]).texture
        assert Image.open(io.BytesIO(image)).format == "JPEG"
    assert (read_glb(data).vertices == read_glb(glbs["colour-0"]).vertices).all()
    assert len(data) < sum(map(len, glbs.values()))
    verdict = verify_glb(data)
    assert verdict.passed, verdict.failures


def test_other_surfaces_are_refused() -> None:
    other = coloured(1, SMALLEST.model_copy(update={"faces": 300}))
    with pytest.raises(InputError, match="another surface"):
        join_variants({"A": coloured(0), "B": other})
