"""Verification and budgets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidRecipe, MeshFailed
from core.mesh import Model, read_glb, verify_glb
from core.mesh.budgets import PROFILES
from core.mesh.gltf import pack_glb, unpack_glb, write_glb

CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (0.0, 1.0) for z in (-0.5, 0.5)], np.float32)
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
CUBE = np.concatenate([QUADS[:, :3], QUADS[:, [0, 2, 3]]])
EXTRAS = {"sku": "A", "asset_id": "1", "recipe_hash": "2", "checkpoint": "3"}


def cube(faces: np.ndarray = CUBE, corners: np.ndarray = CORNERS) -> bytes:
    normals = (CORNERS - [0, 0.5, 0]) / np.sqrt(0.75)
    colors = np.full((8, 3), 128, np.uint8)
    return write_glb(Model(corners, normals.astype(np.float32), faces, colors=colors), "A", "", EXTRAS)


def failed(data: bytes | str | Path, profile: str | None = None) -> list[str]:
    return [check.name for check in verify_glb(data, profile).failures]


def test_a_sound_file_passes_every_line_and_reports_plain_data(tmp_path: Path) -> None:
    path = tmp_path / "cube.glb"
    path.write_bytes(cube())
    verification = verify_glb(path)
    assert verification.passed
    assert verification.report().checks[0].name == "readable"


def test_what_is_written_is_read_back() -> None:
    model = read_glb(cube())
    assert np.array_equal(model.vertices, CORNERS)
    assert np.array_equal(model.faces, CUBE)
    assert model.colors is not None
    assert (model.colors == 128).all()


def test_a_texture_is_embedded_byte_for_byte_with_its_sampler() -> None:
    jpeg = b"\xff\xd8" + bytes(range(256)) * 3 + b"\xff\xd9"  # nobody decodes it
    uv = np.zeros((8, 2), np.float32)
    document, body = unpack_glb(write_glb(Model(CORNERS, CORNERS, CUBE, uv, jpeg), "A"))
    (image,) = document["images"]
    view = document["bufferViews"][image["bufferView"]]
    assert image["mimeType"] == "image/jpeg"
    assert body[view["byteOffset"] :][: view["byteLength"]] == jpeg
    assert document["samplers"] == [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}]
    assert document["textures"] == [{"sampler": 0, "source": 0}]


@pytest.mark.parametrize(("vertices", "component"), [(65_534, 5123), (65_535, 5125)])
def test_indices_are_as_narrow_as_they_fit(vertices: int, component: int) -> None:
    corners = np.zeros((vertices, 3), np.float32)
    document, body = unpack_glb(write_glb(Model(corners, corners, np.array([[0, 1, vertices - 1]])), "A"))
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["indices"]]
    assert accessor["componentType"] == component
    assert document["bufferViews"][accessor["bufferView"]]["byteLength"] == 3 * (2 if component == 5123 else 4)
    assert read_glb(pack_glb(document, body)).faces.tolist() == [[0, 1, vertices - 1]]


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (cube(CUBE[1:]), ["closed", "watertight"]),
        (cube(CUBE[:, ::-1]), ["closed", "watertight"]),
        (cube(corners=CORNERS + np.float32(0.1)), ["origin"]),
        (b"", ["readable"]),
        (b"glTF rubbish", ["readable"]),
        (cube()[:-8], ["readable"]),
        (b"glTF\x02\x00\x00\x00" + b"\xff" * 40, ["readable"]),
    ],
)
def test_faults_are_named(data: bytes, wrong: list[str]) -> None:
    assert failed(data) == wrong


def test_structural_faults_are_named() -> None:
    document, body = unpack_glb(cube())
    document["asset"]["extras"] = {}
    document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] = 1
    assert failed(pack_glb(document, body)) == ["material", "provenance"]
    document["accessors"][0]["bufferView"] = 99
    assert failed(pack_glb(document, body)) == ["valid"]
    with pytest.raises(MeshFailed):
        read_glb(pack_glb(document, body))


def test_a_file_that_is_not_there_is_a_failed_check() -> None:
    assert failed("no/such/file.glb") == ["readable"]


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(InvalidRecipe, match="google-merchant"):
        verify_glb(cube(), "carrier-pigeon")


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_names_its_source_and_a_limit(name: str) -> None:
    profile = PROFILES[name]
    assert len(profile.source) > 10
    assert profile.url.startswith(("https://", "http://"))
    assert any(value is not None for key, value in vars(profile).items() if key not in ("source", "url"))
    assert ("texture" in failed(cube(), name)) == (profile.min_texture is not None)
