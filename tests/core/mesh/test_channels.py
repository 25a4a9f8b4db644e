"""Models made to fit a channel, and the channels' tables."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from core.errors import BudgetExceeded, InputError
from core.mesh import Model, verify_glb
from core.mesh.budgets import PROFILES
from core.mesh.channels import CHANNELS, Parcel, find_channel, fit_glb
from core.mesh.gltf import read_glb, unpack_glb, write_glb
from core.mesh.usdz import validate_usdz, write_usdz

EXTRAS = {"sku": "A/1", "asset_id": "1", "recipe_hash": "2", "checkpoint": "3"}


def textured(edge: int, subdivisions: int = 0, noise: bool = False) -> bytes:
    """A closed box of 1 m on its feet with a square texture."""
    mesh = trimesh.creation.box((1, 1, 1))
    for _ in range(subdivisions):
        mesh = mesh.subdivide()
    vertices = (mesh.vertices + np.array([0, 0.5, 0])).astype(np.float32)
    texels = np.full((edge, edge, 3), (200, 40, 40), np.uint8)
    if noise:
        texels = np.random.default_rng(0).integers(0, 255, texels.shape).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(texels).save(file, "JPEG", quality=95)
    uv = np.clip(vertices[:, :2] * 0.5 + 0.5, 0, 1).astype(np.float32)
    model = Model(vertices, mesh.vertex_normals.astype(np.float32), mesh.faces.astype(np.int64), uv, file.getvalue())
    return write_glb(model, "A/1", "© Ann", EXTRAS)


def test_what_fits_is_handed_over_as_it_is() -> None:
    data = textured(512)
    fitted = fit_glb([data, textured(256)], "khronos-mobile-ar")
    assert (fitted.data, fitted.changes) == (data, ())


@pytest.mark.parametrize(
    ("edge", "noise", "profile"),
    [(512, False, "amazon"), (4096, False, "google-merchant"), (2048, True, "khronos-banner")],
)
def test_a_texture_too_small_too_large_or_too_heavy_is_made_to_fit(edge: int, noise: bool, profile: str) -> None:
    data = textured(edge, noise=noise)
    assert not verify_glb(data, profile).passed
    fitted = fit_glb([data], profile)
    assert verify_glb(fitted.data, profile).passed
    assert len(fitted.changes) == 1
    before, after = read_glb(data), read_glb(fitted.data)
    assert np.array_equal(before.vertices, after.vertices)
    texels = after.texels()
    assert texels is not None
    most, least = PROFILES[profile].max_texture or 1 << 20, PROFILES[profile].min_texture or 0
    assert least <= texels.shape[0] <= most
    assert unpack_glb(fitted.data)[0]["asset"]["extras"] == EXTRAS
    assert unpack_glb(fitted.data)[0]["asset"]["copyright"] == "© Ann"
    assert unpack_glb(fitted.data)[0]["nodes"][0]["name"] == "A/1"


def test_too_many_triangles_want_a_lighter_level_and_without_one_it_is_refused() -> None:
    heavy, light = textured(256, subdivisions=6), textured(256)
    fitted = fit_glb([heavy, light], "khronos-banner")
    assert (fitted.data, len(fitted.changes)) == (light, 1)
    with pytest.raises(BudgetExceeded, match="triangles is 49,152, wanted at most 30,000"):
        fit_glb([heavy], "khronos-banner")


def test_tables_have_the_channels_columns_and_no_size_that_nobody_gave() -> None:
    known = Parcel("S,1", 'A "mug"', "spring", "A mug, a 3D model", "g", "u", "p", (12.34, 8, 9), "CC0", "f" * 64)
    unknown = Parcel("S2", "B", "spring", "B", "g", "u", "p", None, "", "f" * 64)
    rows = {name: (channel.row(known), channel.row(unknown)) for name, channel in CHANNELS.items()}
    assert rows["google"][0]["virtual_model_link"] == "g"
    assert rows["google"][0]["product_width"] == "12.3 cm"
    assert rows["google"][1]["product_length"] == ""
    assert rows["shopify"][0]["mediaContentType"] == "MODEL_3D"
    assert (rows["plain"][0]["height_cm"], rows["amazon"][1]["item_height_cm"]) == ("8", "")
    assert all(list(one) == list(other) for one, other in rows.values())


def test_an_unknown_channel_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(InputError, match="shopify, google, amazon"):
        find_channel("ebay")


@pytest.mark.parametrize(
    ("sku", "prim"), [("MUG-01", "MUG_01"), ("100% wool/ü", "_100_wool"), ("☕", "Product"), ("x" * 300, "x" * 80)]
)
def test_a_usdz_names_the_product_and_where_it_comes_from(tmp_path: Path, sku: str, prim: str) -> None:
    from pxr import Usd

    data = write_usdz(read_glb(textured(64)), sku, "© Ann", EXTRAS | {"sku": sku, "photos": 4})
    assert validate_usdz(data) == []
    path = tmp_path / "model.usdz"
    path.write_bytes(data)
    stage = Usd.Stage.Open(str(path))
    root = stage.GetDefaultPrim()
    assert (root.GetName(), root.GetDisplayName()) == (prim, sku)
    assert [child.GetName() for child in root.GetChildren()] == [f"{prim}_mesh", f"{prim}_material"]
    assert stage.GetRootLayer().customLayerData == EXTRAS | {"sku": sku, "photos": 4}
    assert write_usdz(read_glb(textured(64)), sku, "© Ann", EXTRAS | {"sku": sku, "photos": 4}) == data
