"""Is a GLB valid glTF 2.0, as far as a product's still mesh needs it? No other program is asked.

What the Khronos validator calls an error is one here, for everything that :mod:`core.mesh.gltf_schema` lets in; the
tests hold the two against each other on broken files.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from core.errors import MeshFailed
from core.mesh.gltf import (
    ARRAY_BUFFER,
    ELEMENT_ARRAY_BUFFER,
    FLOAT,
    UNSIGNED_BYTE,
    UNSIGNED_INT,
    UNSIGNED_SHORT,
    decode_draco,
    read_accessor,
    unpack_glb,
)
from core.mesh.gltf_schema import Accessor, Document, Image, Part, VariantMappings, Variants

DRACO, WEBP, VARIANTS = "KHR_draco_mesh_compression", "EXT_texture_webp", "KHR_materials_variants"
PLACES = {DRACO: ("primitives",), WEBP: ("textures",), VARIANTS: ("", "primitives")}
"""Where each extension that is understood may stand."""
_SMALL = (UNSIGNED_BYTE, UNSIGNED_SHORT)
_FORMATS = {
    "POSITION": {("VEC3", FLOAT, False)},
    "NORMAL": {("VEC3", FLOAT, False)},
    "TANGENT": {("VEC4", FLOAT, False)},
    "TEXCOORD": {("VEC2", FLOAT, False), *(("VEC2", kind, True) for kind in _SMALL)},
    "COLOR": {
        *((shape, FLOAT, False) for shape in ("VEC3", "VEC4")),
        *((shape, kind, True) for shape in ("VEC3", "VEC4") for kind in _SMALL),
    },
}
Kind = TypeVar("Kind", bound=Part)
_INDICES = {("SCALAR", kind, False) for kind in (*_SMALL, UNSIGNED_INT)}
_UNIT = 0.0077
"""How far from 1 a normal may be long: what 8 bits can hold."""


def invalidity(data: bytes) -> str:
    """The first thing that is wrong with a GLB, as a sentence; empty for a valid one. Raises nothing for any bytes."""
    try:
        given, body = unpack_glb(data)
        _chunks(data)
        document = _parse(given)
        _references(document)
        _extensions(given, document)
        _layout(document, body)
        _uses(document)
        _numbers(given, document, body)
        _images(document, body)
    except MeshFailed as error:
        return str(error).rstrip(".")
    return ""


def picture_sizes(data: bytes) -> list[tuple[int, int]]:
    """Width and height of every image in a valid GLB."""
    from PIL import Image as Pillow

    given, body = unpack_glb(data)
    document = _parse(given)
    return [Pillow.open(io.BytesIO(_encoded(document, image, body))).size for image in document.images]


def _chunks(data: bytes) -> None:
    place, kinds = 12, []
    while place < len(data):
        size, kind = struct.unpack_from("<I4s", data.ljust(place + 8, b"\0"), place)
        _refuse(size % 4 or not size, f"The chunk {kind!r} has {size} bytes, which is no multiple of 4 above 0.")
        kinds.append(kind)
        place += 8 + size
    _refuse(place != len(data), "The last chunk does not end with the file.")
    _refuse(kinds != [b"JSON", b"BIN\0"], f"The chunks are {kinds}, not JSON and BIN.")


def _parse(given: dict[str, Any]) -> Document:
    return _typed(Document, given, "the JSON")


def _typed(kind: type[Kind], given: object, what: str) -> Kind:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or what
        raise MeshFailed(f"{place}: {first['msg']} ({error.error_count()} in all).") from None


def _references(document: Document) -> None:
    """Every index points at something."""
    lists: dict[str, Sequence[int | None]] = {
        "meshes": [node.mesh for node in document.nodes],
        "nodes": document.scenes[0].nodes,
        "materials": [document.primitive.material],
        "accessors": [*document.primitive.attributes.values(), document.primitive.indices],
        "textures": [shown.index for material in document.materials for shown in material.textures()],
        "samplers": [texture.sampler for texture in document.textures],
        "images": [texture.source for texture in document.textures],
        "buffer_views": [a.buffer_view for a in document.accessors] + [i.buffer_view for i in document.images],
    }
    for name, indices in lists.items():
        beyond = [i for i in indices if i is not None and i >= len(getattr(document, name))]
        _refuse(beyond, f"{name} has no number {beyond[:1]}.")
    _refuse(len(set(document.scenes[0].nodes)) != len(document.scenes[0].nodes), "The scene has a node twice.")
    coordinates = {shown.tex_coord for material in document.materials for shown in material.textures()}
    lacking = [i for i in coordinates if f"TEXCOORD_{i}" not in document.primitive.attributes]
    _refuse(lacking, f"The material wants TEXCOORD_{lacking[:1]}, which the mesh has not.")
    for kind in ("TEXCOORD", "COLOR"):
        numbers = sorted(int(name[-1]) for name in document.primitive.attributes if name.startswith(f"{kind}_"))
        _refuse(numbers != list(range(len(numbers))), f"{kind} is numbered {numbers}.")


def _extensions(given: dict[str, Any], document: Document) -> None:
    used, required = document.extensions_used, document.extensions_required
    _refuse(len({*used}) < len(used) or len({*required}) < len(required), "An extension is named twice.")
    _refuse(unused := {*required} - {*used}, f"{sorted(unused)} is required and not used.")
    _refuse(unknown := {*used} - {*PLACES}, f"The file uses {sorted(unknown)}, which cannot be judged here.")
    found = list(_extension_places(given, ""))
    for name, place in found:
        _refuse(name not in used, f"The extension {name} is not among extensionsUsed.")
        _refuse(place not in PLACES[name], f"The extension {name} stands at {place or 'the root'}.")
    _refuse(idle := {*required} - {name for name, _ in found}, f"{sorted(idle)} is required and never applied.")
    if (draco := document.primitive.extensions.get(DRACO)) is not None:
        _refuse(DRACO not in required, f"{DRACO} must be required: there is no other geometry.")
        well = isinstance(draco.get("attributes"), dict) and _index(draco.get("bufferView"), document.buffer_views)
        _refuse(not well, f"{DRACO} lacks a bufferView or attributes.")
        other = {*draco["attributes"]} - {*document.primitive.attributes}
        _refuse(other, f"{DRACO} holds {sorted(other)}, which the mesh has not.")
    for texture in document.textures:
        webp = texture.extensions.get(WEBP)
        _refuse(webp is not None and not _index(webp.get("source"), document.images), f"{WEBP} names no image.")
        _refuse(texture.source is None and webp is None, "A texture has no image.")
        plain = None if texture.source is None else document.images[texture.source].mime_type
        _refuse(plain == "image/webp", f"A texture's image is WebP without {WEBP}.")
    _variants(document)


def _variants(document: Document) -> None:
    """Every variant that a primitive maps is one of the file's, and has one material there."""
    named, mapped = document.extensions.get(VARIANTS), document.primitive.extensions.get(VARIANTS)
    known = [] if named is None else _typed(Variants, named, VARIANTS).variants
    if mapped is None:
        return
    mappings = _typed(VariantMappings, mapped, VARIANTS).mappings
    shown = [variant for mapping in mappings for variant in mapping.variants]
    _refuse(beyond := [i for i in shown if i >= len(known)], f"{VARIANTS} has no variant number {beyond[:1]}.")
    _refuse(len({*shown}) < len(shown), f"{VARIANTS} gives a variant two materials.")
    beyond = [m.material for m in mappings if m.material >= len(document.materials)]
    _refuse(beyond, f"{VARIANTS} names the material {beyond[:1]}, which the file has not.")


def _layout(document: Document, body: bytes) -> None:
    """Views lie within the buffer, accessors within their views."""
    declared = document.buffers[0].byte_length
    _refuse(declared > len(body), f"The buffer has {declared} bytes by its description and {len(body)} in the file.")
    _refuse(len(body) > declared + 3, f"The binary chunk is {len(body) - declared} bytes longer than its buffer.")
    for number, view in enumerate(document.buffer_views):
        end = view.byte_offset + view.byte_length
        _refuse(end > declared, f"bufferViews.{number} ends at byte {end} of {declared}.")
        stride = view.byte_stride or 0
        _refuse(stride > view.byte_length, f"bufferViews.{number} has a stride above its length.")
    for number, accessor in enumerate(document.accessors):
        _refuse(why := _misplaced(document, accessor), f"accessors.{number} {why}.")


def _index(value: object, among: list[Any]) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(among)


def _extension_places(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Every extension object and the list or property that its owner stands in."""
    if isinstance(value, list):
        for item in value:
            yield from _extension_places(item, place)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "extensions" and isinstance(item, dict):
                yield from ((extension, place) for extension in item)
            elif name != "extras":
                yield from _extension_places(item, name)


def _misplaced(document: Document, accessor: Accessor) -> str:
    """Why an accessor does not fit its view, or nothing."""
    if accessor.buffer_view is None:
        return "" if DRACO in document.primitive.extensions else "has no bufferView"
    view = document.buffer_views[accessor.buffer_view]
    element = accessor.width * accessor.component
    stride = view.byte_stride or element
    if stride < element:
        return f"has elements of {element} bytes at a stride of {stride}"
    if (view.byte_offset + accessor.byte_offset) % accessor.component:
        return f"does not begin at a multiple of {accessor.component} bytes"
    end = accessor.byte_offset + stride * (accessor.count - 1) + element
    return f"ends at byte {end} of its view's {view.byte_length}" if end > view.byte_length else ""


def _uses(document: Document) -> None:
    """Each accessor has the format that its use wants, each view one use."""
    primitive, accessors, views = document.primitive, document.accessors, document.buffer_views
    uses: dict[int, set[int]] = {}

    def use(view: int | None, target: int) -> None:
        if view is not None:
            uses.setdefault(view, set()).add(target)

    index = accessors[primitive.indices]
    _refuse(_format(index) not in _INDICES, f"The indices are {_format(index)}.")
    _refuse(index.count % 3, f"{index.count} indices are no triangles.")
    use(index.buffer_view, ELEMENT_ARRAY_BUFFER)
    _refuse("POSITION" not in primitive.attributes, "The mesh has no POSITION.")
    _refuse("NORMAL" not in primitive.attributes, "The mesh has no NORMAL.")
    shared: dict[int, set[int]] = {}
    for name, number in primitive.attributes.items():
        accessor = accessors[number]
        _refuse(number == primitive.indices, f"{name} reads the indices.")
        wanted = _FORMATS.get(name.partition("_")[0])
        _refuse(wanted and _format(accessor) not in wanted, f"{name} is {_format(accessor)}.")
        _refuse(accessor.component_type == UNSIGNED_INT, f"{name} is of 32-bit integers.")
        _refuse(accessor.count != accessors[primitive.attributes["POSITION"]].count, f"{name} has another count.")
        bounded = name != "POSITION" or (accessor.min is not None and accessor.max is not None)
        _refuse(not bounded, "POSITION has no min and max.")
        if accessor.buffer_view is not None:
            view = views[accessor.buffer_view]
            step = view.byte_stride or accessor.width * accessor.component
            _refuse(accessor.byte_offset % 4 or step % 4, f"{name} is not aligned to 4 bytes.")
            shared.setdefault(accessor.buffer_view, set()).add(number)
        use(accessor.buffer_view, ARRAY_BUFFER)
    for image in document.images:
        use(image.buffer_view, 0)
    for number, found in uses.items():
        view = views[number]
        _refuse(len(found) > 1, f"bufferViews.{number} is used for two things.")
        target = next(iter(found))
        _refuse(view.target not in (None, target), f"bufferViews.{number} has the target {view.target}.")
        _refuse(view.byte_stride and target != ARRAY_BUFFER, f"bufferViews.{number} may have no stride.")
        alone = len(shared.get(number, ())) < 2 or view.byte_stride
        _refuse(not alone, f"bufferViews.{number} holds several accessors and has no stride.")
    for number, view in enumerate(views):
        _refuse(view.byte_stride and number not in uses, f"bufferViews.{number} may have no stride.")


def _format(accessor: Accessor) -> tuple[str, int, bool]:
    return accessor.type, accessor.component_type, accessor.normalized


def _numbers(given: dict[str, Any], document: Document, body: bytes) -> None:
    """The numbers in the buffers: finite, within their declared bounds, unit normals, indices of vertices."""
    primitive = document.primitive
    named = {**primitive.attributes, "indices": primitive.indices}
    packed = decode_draco(given, body) if DRACO in primitive.extensions else None
    if packed is not None:
        _refuse({*packed} != {*named}, "Draco's data does not hold what the mesh names.")
        packed["indices"] = packed["indices"].reshape(-1, 1)
    for name, number in named.items():
        accessor = document.accessors[number]
        values = read_accessor(given, body, number, scaled=False) if packed is None else packed[name]
        shape = (accessor.count, accessor.width)
        _refuse(values.shape != shape, f"{name} has the shape {values.shape}, by its description {shape}.")
        _values(name, accessor, values, exact=packed is None)
        vertices = document.accessors[primitive.attributes["POSITION"]].count
        beyond = name == "indices" and int(values.max()) >= vertices
        _refuse(beyond, f"An index is {values.max()} where there are {vertices} vertices.")


def _values(name: str, accessor: Accessor, values: NDArray[Any], exact: bool) -> None:
    """One accessor's elements ``(count, width)``, not scaled. Draco's are quantised: their bounds may be off by it."""
    _refuse(not np.isfinite(values).all(), f"{name} holds NaN or infinity.")
    slack = 0 if exact else 1e-3 * max(float(np.ptp(values)), 1e-6)
    for bound, found in ((accessor.min, values.min(0)), (accessor.max, values.max(0))):
        if bound is not None:
            wanted = np.asarray(bound, np.float32 if accessor.component_type == FLOAT else np.float64)
            off = np.abs(wanted.astype(np.float64) - found.astype(np.float64)).max()
            _refuse(off > slack, f"{name} reaches {found.tolist()}, by its description {bound}.")
    if accessor.component_type == FLOAT and name.startswith("COLOR"):
        _refuse(values.min() < 0 or values.max() > 1, f"{name} leaves 0..1.")
    if name in ("NORMAL", "TANGENT"):
        off = np.abs(np.linalg.norm(values[:, :3].astype(np.float64), axis=1) - 1).max()
        _refuse(off > _UNIT, f"{name} is off unit length by {off:.4f}.")
    if name == "TANGENT":
        _refuse(not np.isin(values[:, 3], (-1, 1)).all(), "TANGENT has a sign that is neither 1 nor -1.")
    if name == "indices":
        reserved = 2 ** (8 * accessor.component) - 1
        _refuse(int(values.max()) == reserved, f"The indices hold the reserved value {reserved}.")


def _images(document: Document, body: bytes) -> None:
    for number, image in enumerate(document.images):
        _refuse(why := _undecodable(image, _encoded(document, image, body)), f"images.{number} {why}.")


def _encoded(document: Document, image: Image, body: bytes) -> bytes:
    view = document.buffer_views[image.buffer_view]
    return body[view.byte_offset : view.byte_offset + view.byte_length]


def _undecodable(image: Image, data: bytes) -> str:
    """Why an image cannot be shown, or nothing."""
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(data)) as picture:
            if picture.get_format_mimetype() != image.mime_type:
                return f"is {picture.format}, by its description {image.mime_type}"
            picture.load()
        if image.mime_type == "image/jpeg" and not _whole_segments(data):
            return "has segments that lead past its end"
    except UnidentifiedImageError:
        return "is no picture"
    except (OSError, ValueError, SyntaxError, EOFError, Pillow.DecompressionBombError) as error:
        return f"does not decode: {error}"
    return ""


def _whole_segments(jpeg: bytes) -> bool:
    """Whether a JPEG's segments follow one another up to its first scan; Pillow looks for the next that makes sense."""
    place = 2
    while jpeg[place : place + 1] == b"\xff":
        marker, size = jpeg[place + 1], int.from_bytes(jpeg[place + 2 : place + 4])
        if marker == 0xDA or size < 2:
            return size >= 2
        place += 2 + size
    return False


def _refuse(wrong: object, sentence: str) -> None:
    if wrong:
        raise MeshFailed(sentence)
