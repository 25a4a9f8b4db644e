"""GLB bytes, written by hand and read back: one mesh, one material, the texture's own bytes untouched.

Same model, same bytes. glTF 2.0 specification: chunks of 4-byte alignment, +Y up, front +Z, metres.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import MeshFailed
from core.mesh.values import Model

GENERATOR = "Meshmill 0.1"
FLOAT, UNSIGNED_INT, UNSIGNED_SHORT, UNSIGNED_BYTE = 5126, 5125, 5123, 5121
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_DTYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}


class Buffer:
    """The binary chunk under construction, with its views and accessors."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, data: bytes, target: int | None = None, stride: int | None = None) -> int:
        """Append ``data`` at a 4-byte boundary; the view's index."""
        self.data.extend(b"\0" * (-len(self.data) % 4))
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        if stride is not None:
            view["byteStride"] = stride
        if target is not None:
            view["target"] = target
        self.data.extend(data)
        self.views.append(view)
        return len(self.views) - 1

    def accessor(self, view: int | None, component: int, count: int, width: int, **more: Any) -> int:
        """Describe ``count`` elements of ``width`` components in ``view``; the accessor's index."""
        entry = {"componentType": component, "count": count, "type": _TYPES[width]} | more
        self.accessors.append(entry if view is None else {"bufferView": view} | entry)
        return len(self.accessors) - 1

    def attribute(self, values: NDArray[Any], component: int, *, bounds: bool = False, normalized: bool = False) -> int:
        """A vertex attribute ``(V, C)``, each vertex padded to 4 bytes as the format requires."""
        array = np.ascontiguousarray(values, _DTYPES[component])
        row = array.shape[1] * array.itemsize
        stride = row + -row % 4
        padded = np.zeros((len(array), stride), np.uint8)
        padded[:, :row] = array.view(np.uint8).reshape(len(array), row)
        view = self.view(padded.tobytes(), ARRAY_BUFFER, stride if stride != row else None)
        more: dict[str, Any] = {"normalized": True} if normalized else {}
        if bounds:
            more |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        return self.accessor(view, component, len(array), array.shape[1], **more)

    def indices(self, faces: NDArray[np.int64], vertices: int) -> int:
        """The index accessor, 16 bits wide where that is enough (65535 itself is reserved)."""
        short = vertices < 65535
        flat = faces.reshape(-1).astype(np.uint16 if short else np.uint32)
        view = self.view(flat.tobytes(), ELEMENT_ARRAY_BUFFER)
        return self.accessor(view, UNSIGNED_SHORT if short else UNSIGNED_INT, len(flat), 1)


def write_glb(model: Model, name: str, copyright_text: str = "", extras: dict[str, Any] | None = None) -> bytes:
    """The GLB of ``model``: float attributes, indices as narrow as they fit, JPEG or PNG embedded as it is."""
    buffer = Buffer()
    attributes = {
        "POSITION": buffer.attribute(model.vertices, FLOAT, bounds=True),
        "NORMAL": buffer.attribute(model.normals, FLOAT),
    }
    if model.uv is not None:
        attributes["TEXCOORD_0"] = buffer.attribute(model.uv, FLOAT)
    elif model.colors is not None:
        attributes["COLOR_0"] = buffer.attribute(_linear(model.colors), UNSIGNED_SHORT, normalized=True)
    indices = buffer.indices(model.faces, len(model.vertices))
    document = describe(buffer, attributes, indices, model, name, copyright_text, extras or {})
    return pack_glb(document, buffer.data)


def describe(
    buffer: Buffer,
    attributes: dict[str, int],
    indices: int,
    model: Model,
    name: str,
    copyright_text: str,
    extras: dict[str, Any],
    **node: Any,
) -> dict[str, Any]:
    """The JSON chunk around finished accessors; appends the texture to ``buffer``. ``node`` may hold a transform."""
    asset: dict[str, Any] = {"version": "2.0", "generator": GENERATOR}
    if copyright_text:
        asset["copyright"] = copyright_text
    if extras:
        asset["extras"] = extras
    surface: dict[str, Any] = {"baseColorFactor": [1, 1, 1, 1], "metallicFactor": 0, "roughnessFactor": 0.9}
    document: dict[str, Any] = {
        "asset": asset,
        "scene": 0,
        # Importers drop asset.extras and keep the scene's; provenance should survive both ways.
        "scenes": [{"name": name, "nodes": [0]} | ({"extras": extras} if extras else {})],
        "nodes": [{"name": name, "mesh": 0} | node],
        "meshes": [{"name": name, "primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [{"name": name, "pbrMetallicRoughness": surface}],
    }
    if model.texture is not None:
        surface["baseColorTexture"] = {"index": 0}
        document["textures"] = [{"sampler": 0, "source": 0}]
        # Linear with mipmaps; clamped, because the atlas does not repeat.
        document["samplers"] = [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}]
        document["images"] = [
            {"name": "base color", "mimeType": model.texture_type, "bufferView": buffer.view(model.texture)}
        ]
    document["accessors"] = buffer.accessors
    document["bufferViews"] = buffer.views
    return document


def pack_glb(document: dict[str, Any], data: bytes | bytearray) -> bytes:
    """Header, JSON chunk padded with spaces, binary chunk padded with zeros."""
    body = bytes(data) + b"\0" * (-len(data) % 4)
    document = document | {"buffers": [{"byteLength": len(body)}]}
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    length = 12 + 8 + len(text) + 8 + len(body)
    header = struct.pack("<4sII", b"glTF", 2, length)
    return header + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body


def unpack_glb(source: bytes | str | Path) -> tuple[dict[str, Any], bytes]:
    """The JSON document and the binary chunk. Raises :class:`MeshFailed` when the container is broken."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        magic, version, length = struct.unpack_from("<4sII", data)
        if magic != b"glTF":
            raise MeshFailed("The file is not a GLB: it does not begin with 'glTF'.")
        if version != 2:
            raise MeshFailed(f"The file is a GLB of glTF {version}, not of glTF 2.")
        if length != len(data):
            raise MeshFailed(
                f"The file has {len(data):,} bytes, by its own header {length:,}: it was cut off or added to."
            )
        size, kind = struct.unpack_from("<I4s", data, 12)
        if kind != b"JSON" or 20 + size > len(data):
            raise MeshFailed("The GLB does not begin with its JSON chunk.")
        document = json.loads(str(data[20 : 20 + size], "utf-8"), parse_constant=_refuse)
        start, body = 20 + size, b""
        if start < len(data):
            size, kind = struct.unpack_from("<I4s", data, start)
            body = data[start + 8 : start + 8 + size]
            if kind != b"BIN\0" or len(body) != size:
                raise MeshFailed("The GLB's binary chunk is cut off.")
    except (struct.error, ValueError, RecursionError) as error:
        raise MeshFailed(f"The file is not a GLB: {error}.") from error
    if not isinstance(document, dict):
        raise MeshFailed("The GLB's JSON chunk is not an object.")
    return document, body


def read_glb(source: bytes | str | Path) -> Model:
    """The one textured mesh of a GLB that this product wrote, the small variant included, transforms applied.

    Raises :class:`MeshFailed` when the file is not such a GLB.
    """
    document, body = unpack_glb(source)
    try:
        primitive = document["meshes"][0]["primitives"][0]
        attributes = primitive["attributes"]
        read = decode_draco(document, body) or {
            name: read_accessor(document, body, index)
            for name, index in [*attributes.items(), ("indices", primitive["indices"])]
        }
        node = document["nodes"][0]
        positions = read["POSITION"] * np.array(node.get("scale", [1, 1, 1])) + node.get("translation", [0, 0, 0])
        normals, uv, colors = read["NORMAL"], read.get("TEXCOORD_0"), read.get("COLOR_0")
        faces = read["indices"].reshape(-1, 3).astype(np.int64)
        texture, mime = None, "image/jpeg"
        if document.get("images"):
            image = document["images"][0]
            view, mime = document["bufferViews"][image["bufferView"]], image["mimeType"]
            texture = body[view.get("byteOffset", 0) :][: view["byteLength"]]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise MeshFailed(f"The GLB does not hold one readable mesh: {type(error).__name__} {error}.") from error
    srgb = None if colors is None else _srgb(colors[:, :3])
    return Model(positions.astype(np.float32), normals, faces, uv, texture, mime, srgb)


def read_accessor(document: dict[str, Any], body: bytes, index: int, *, scaled: bool = True) -> NDArray[Any]:
    """Elements ``(count, components)``; normalised integers become float32 unless they are not to be ``scaled``."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype = np.dtype(_DTYPES[accessor["componentType"]])
    width = {name: size for size, name in _TYPES.items()}[accessor["type"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    stride = view.get("byteStride", width * dtype.itemsize)
    rows = np.ndarray((accessor["count"], width), dtype, body, start, (stride, dtype.itemsize))
    if scaled and accessor.get("normalized"):
        return np.asarray(
            np.maximum(rows.astype(np.float32) / (2 ** (8 * dtype.itemsize - (dtype.kind == "i")) - 1), -1)
        )
    return rows.copy()


def decode_draco(document: dict[str, Any], body: bytes) -> dict[str, NDArray[Any]] | None:
    """The decoded attributes and ``indices`` of a Draco mesh, or None where it is none.

    Raises :class:`MeshFailed` when they do not decode.
    """
    extension = document["meshes"][0]["primitives"][0].get("extensions", {}).get("KHR_draco_mesh_compression")
    if extension is None:
        return None
    import DracoPy

    view = document["bufferViews"][extension["bufferView"]]
    start = view.get("byteOffset", 0)
    try:
        decoded = DracoPy.decode(body[start : start + view["byteLength"]])
        data = {attribute["unique_id"]: attribute["data"] for attribute in decoded.attributes}
        read = {name: np.asarray(data[i]) for name, i in extension["attributes"].items()}
        return read | {"indices": np.asarray(decoded.faces)}
    except Exception as error:  # a C++ library's own classes, of no common root
        raise MeshFailed(f"The Draco data does not decode: {error}.") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"its JSON holds {constant}, which is no JSON")


def _linear(srgb: NDArray[np.uint8]) -> NDArray[np.uint16]:
    c = srgb.astype(np.float64) / 255
    return np.asarray(np.rint(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) * 65535), np.uint16)


def _srgb(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    c = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(np.clip(c, 0, 1) * 255), np.uint8)
