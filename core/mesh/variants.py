"""One GLB of several colours: the geometry of one file with the textures of others (KHR_materials_variants)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import numpy as np

from core.errors import InputError
from core.mesh.gltf import pack_glb, read_glb, unpack_glb

EXTENSION = "KHR_materials_variants"


def join_variants(glbs: Mapping[str, bytes]) -> bytes:
    """``model.glb`` files of one geometry, by SKU, as one GLB that shows the first and offers all by name.

    Raises :class:`InputError` where their surfaces differ, :class:`core.errors.MeshFailed` for what is no such file.
    """
    names = list(glbs)
    models = {name: read_glb(data) for name, data in glbs.items()}
    first = models[names[0]]
    document, body = unpack_glb(glbs[names[0]])
    buffer = bytearray(body[: document["buffers"][0]["byteLength"]])
    material, texture, image = (document[kind][0] for kind in ("materials", "textures", "images"))
    material["name"] = names[0]
    for name in names[1:]:
        model = models[name]
        same = np.array_equal(model.faces, first.faces) and np.array_equal(model.uv, first.uv)  # type: ignore[arg-type]
        if not same or model.texture is None:
            raise InputError(f"{name} has another surface than {names[0]}: it was built by itself, not as its colour.")
        buffer += b"\0" * (-len(buffer) % 4)
        document["bufferViews"].append({"buffer": 0, "byteOffset": len(buffer), "byteLength": len(model.texture)})
        buffer += model.texture
        view = len(document["bufferViews"]) - 1
        document["images"].append(image | {"mimeType": model.texture_type, "bufferView": view})
        document["textures"].append(texture | {"source": len(document["images"]) - 1})
        other = deepcopy(material) | {"name": name}
        other["pbrMetallicRoughness"]["baseColorTexture"]["index"] = len(document["textures"]) - 1
        document["materials"].append(other)
    mappings = [{"material": number, "variants": [number]} for number in range(len(names))]
    document["meshes"][0]["primitives"][0]["extensions"] = {EXTENSION: {"mappings": mappings}}
    document["extensions"] = {EXTENSION: {"variants": [{"name": name} for name in names]}}
    document["extensionsUsed"] = [EXTENSION]
    return pack_glb(document, buffer)
