"""Our judgement of a GLB's validity against the Khronos validator's, on thousands of broken files."""

from __future__ import annotations

import copy
import io
import json
import struct
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_verify import CORNERS, CUBE, EXTRAS, cube

from core.mesh import Model, verify_glb
from core.mesh.gltf import unpack_glb, write_glb
from core.mesh.small import write_small_glb
from core.mesh.validity import VARIANTS, invalidity
from core.mesh.variants import join_variants

VALUES: list[Any] = [None, True, -1, 0, 1, 2, 7, 10**6, 1.5, "x", "", [], {}, [0], [0, 0], [1.5, -2, 3], {"x": 1}]


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((16, 16), 60).convert("RGB").save(file, kind)
    return file.getvalue()


@cache
def sound() -> dict[str, bytes]:
    """A coloured cube, one with a texture, the small variant of that."""
    normals = ((CORNERS - [0, 0.5, 0]) / np.sqrt(0.75)).astype(np.float32)
    uv = np.linspace(0, 1, 16, dtype=np.float32).reshape(8, 2)
    model = Model(CORNERS, normals, CUBE, uv, picture("JPEG"))
    small = write_small_glb(model, "A", "", EXTRAS)
    textured = write_glb(model, "A", "", EXTRAS)
    other = write_glb(Model(CORNERS, normals, CUBE, uv, picture("JPEG")), "B", "", EXTRAS)
    joined = join_variants({"A": textured, "B": other})
    return {"colours": cube(), "texture": textured, "small": small, "variants": joined}


def join(document: Any, body: bytes) -> bytes:
    """A GLB of any JSON, sound or not."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(body))
    return header + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place below a JSON value, what is free to the maker apart."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key != "extras":
            yield (*path, key)
            yield from places(item, (*path, key))


def with_other_json(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each property removed, replaced by other values, doubled where it is one of a list."""
    document, body = unpack_glb(data)
    for *above, last in places(document):
        for value in [*VALUES, "absent", "twice"]:
            changed = copy.deepcopy(document)
            owner = changed
            for key in above:
                owner = owner[key]
            if value == "absent":
                del owner[last]
            elif value == "twice" and isinstance(owner, list):
                owner.append(owner[last])
            elif value == "twice":
                owner["surprise"] = owner[last]
            else:
                owner[last] = value
            yield f"{'.'.join(map(str, (*above, last)))} = {value!r}", join(changed, body)
    for index, extension in enumerate(("KHR_texture_transform", "MADE_up", "KHR_draco_mesh_compression")):
        for owner_name in ("materials", "accessors"):
            changed = copy.deepcopy(document)
            changed[owner_name][0]["extensions"] = {extension: {}}
            if index < 2:
                changed["extensionsUsed"] = [*document.get("extensionsUsed", []), extension]
            yield f"{extension} in {owner_name}", join(changed, body)


def with_other_variants(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What :func:`with_other_json` does, to the extension alone."""
    return (change for change in with_other_json(data) if VARIANTS in change[0] or "extensionsUsed" in change[0])


def with_other_data(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each of the buffer's words replaced."""
    document, body = unpack_glb(data)
    for word in range(0, len(body), 4):
        for value in (b"\xff\xff\xff\xff", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\x00\x00\x00\x3f", bytes(4)):
            yield f"byte {word} = {value!r}", join(document, body[:word] + value + body[word + 4 :])
    yield "more than the buffer", join(document, body + bytes(8))
    for name in ("PNG", "WEBP", "GIF"):
        images = document.get("images", [])
        for image in images:
            changed = copy.deepcopy(document)
            changed["bufferViews"][image["bufferView"]] |= {"byteOffset": len(body), "byteLength": len(picture(name))}
            other = body + picture(name)
            other += bytes(-len(other) % 4)
            changed["buffers"][0]["byteLength"] = len(other)
            yield f"a {name} as {image['mimeType']}", join(changed, other)


def with_other_container(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Headers overwritten, the file cut off, chunks doubled, swapped, emptied and of another kind."""
    size = struct.unpack_from("<I", data, 12)[0]
    for place in (*range(0, 24), *range(20 + size, 28 + size)):
        for value in (0, 1, 3, 0x42, 0xFF):
            yield f"byte {place} = {value}", data[:place] + bytes([value]) + data[place + 1 :]
    for length in (*range(0, 32), 20 + size, 24 + size, 28 + size, len(data) - 4, len(data) - 1):
        yield f"the first {length}", data[:length]
        if length >= 12:
            yield f"{length} and says so", data[:8] + struct.pack("<I", length) + data[12:length]
    head, text, body = data[:8], data[12 : 20 + size], data[20 + size :]
    for name, chunks in {
        "two JSON": [text, text],
        "two BIN": [text, body, body],
        "BIN first": [body, text],
        "none": [],
        "empty BIN": [text, struct.pack("<I4s", 0, b"BIN\0")],
        "a third": [text, body, struct.pack("<I4s", 4, b"MORE") + b"1234"],
    }.items():
        yield name, head + struct.pack("<I", 12 + sum(map(len, chunks))) + b"".join(chunks)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *product(["colours", "texture", "small"], [with_other_json, with_other_data, with_other_container]),
        ("variants", with_other_variants),
    ],
)
def test_what_the_khronos_validator_refuses_is_refused(
    name: str, change: Callable[[bytes], Iterator[tuple[str, bytes]]], khronos: Callable[..., list[Any]]
) -> None:
    files = dict(change(sound()[name]))
    issues = khronos(*files.values())
    refused = {what: report for what, report in zip(files, issues, strict=True) if report["numErrors"]}
    assert refused
    passed = {
        what: [message["code"] for message in report["messages"] if message["severity"] == 0]
        for what, report in refused.items()
        if not invalidity(files[what])
    }
    assert passed == {}, f"{len(passed)} of {len(refused)} that Khronos refuses"


@pytest.mark.parametrize("name", ["colours", "texture", "small", "variants"])
def test_what_both_call_sound(name: str, khronos: Callable[..., list[Any]]) -> None:
    (issues,) = khronos(sound()[name])
    assert issues["numErrors"] == 0
    assert invalidity(sound()[name]) == ""
    assert verify_glb(sound()[name]).passed
