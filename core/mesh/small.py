"""The small variant: Draco geometry and a WebP texture, for pages where every kilobyte counts."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np

from core.errors import MeshFailed
from core.mesh.gltf import FLOAT, UNSIGNED_INT, UNSIGNED_SHORT, Buffer, describe, pack_glb
from core.mesh.values import Model

POSITION_BITS, UV_BITS, NORMAL_BITS = 14, 12, 8
"""Quantisation: 1/16000 of the longest side, a quarter of a texel at 1024², under a degree."""


def write_small_glb(
    model: Model, name: str, copyright_text: str = "", extras: dict[str, Any] | None = None, webp_quality: int = 75
) -> bytes:
    """``model`` with KHR_draco_mesh_compression and EXT_texture_webp, both required to read it.

    Raises :class:`MeshFailed` when the encoder's own decoder does not give every face back.
    """
    import DracoPy

    if model.uv is None or (texels := model.texels()) is None:
        raise MeshFailed("Only a textured mesh has a small variant.")
    data = DracoPy.encode(
        model.vertices.astype(np.float64),
        model.faces.astype(np.uint32),
        quantization_bits=POSITION_BITS,
        compression_level=7,
        tex_coord=model.uv.astype(np.float64),
        tex_coord_quantization_bits=UV_BITS,
        normals=model.normals.astype(np.float64),
        normal_quantization_bits=NORMAL_BITS,
    )
    decoded = DracoPy.decode(data)
    if len(decoded.faces) != len(model.faces):
        raise MeshFailed("The Draco encoder lost faces.")
    ids = {kind: attribute["unique_id"] for kind, attribute in _attributes(decoded).items()}
    buffer = Buffer()
    count = len(decoded.points)
    low, high = decoded.points.astype(np.float32).min(0).tolist(), decoded.points.astype(np.float32).max(0).tolist()
    attributes = {
        "POSITION": buffer.accessor(None, FLOAT, count, 3, min=low, max=high),
        "NORMAL": buffer.accessor(None, FLOAT, count, 3),
        "TEXCOORD_0": buffer.accessor(None, FLOAT, count, 2),
    }
    index_type = UNSIGNED_SHORT if count < 65535 else UNSIGNED_INT
    indices = buffer.accessor(None, index_type, 3 * len(model.faces), 1)
    view = buffer.view(data)
    document = describe(
        buffer, attributes, indices, _with_webp(model, texels, webp_quality), name, copyright_text, extras or {}
    )
    document["extensionsUsed"] = document["extensionsRequired"] = ["EXT_texture_webp", "KHR_draco_mesh_compression"]
    document["textures"] = [{"sampler": 0, "extensions": {"EXT_texture_webp": {"source": 0}}}]
    primitive = document["meshes"][0]["primitives"][0]
    primitive["extensions"] = {"KHR_draco_mesh_compression": {"bufferView": view, "attributes": ids}}
    return pack_glb(document, buffer.data)


def _attributes(decoded: Any) -> dict[str, dict[str, Any]]:
    """Draco's attributes by glTF name; the file refers to them by their ids."""
    names = {0: "POSITION", 1: "NORMAL", 3: "TEXCOORD_0"}
    return {names[a["attribute_type"]]: a for a in decoded.attributes if a["attribute_type"] in names}


def _with_webp(model: Model, texels: Any, quality: int) -> Model:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(texels).save(file, "WEBP", quality=quality, method=6)
    return replace(model, texture=file.getvalue(), texture_type="image/webp")
