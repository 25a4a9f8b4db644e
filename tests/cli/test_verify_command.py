"""`meshmill verify`: its contract, and that it says no to every file that is wrong."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.verify import app
from core.mesh import Model
from core.mesh.gltf import pack_glb, unpack_glb, write_glb
from core.mesh.usdz import pack_stored
from tests.core.mesh.test_verify import CORNERS, CUBE, EXTRAS, cube


def jpeg_of(size: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), 200, np.uint8)).save(file, "JPEG")
    return file.getvalue()


def textured(size: int) -> bytes:
    normals = ((CORNERS - [0, 0.5, 0]) / np.sqrt(0.75)).astype(np.float32)
    model = Model(CORNERS, normals, CUBE, np.zeros((8, 2), np.float32), jpeg_of(size))
    return write_glb(model, "A", "", EXTRAS)


def with_json(text: bytes) -> bytes:
    """The cube's GLB with ``text`` for its JSON chunk."""
    _, body = unpack_glb(cube())
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(body))
    return header + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    document, body = unpack_glb(cube())
    change(document)
    return pack_glb(document, body)


WRONG: dict[str, bytes] = {
    "text": b"Order 4711: please send the mug as GLB.\n",
    "a JPEG": jpeg_of(64),
    "empty": b"",
    "cut off": cube()[:-100],
    "cut off in its header": cube()[:7],
    "glTF 1": cube().replace(b"glTF\x02", b"glTF\x01", 1),
    "something after its end": cube() + b"\0\0\0\0",
    "JSON that does not parse": with_json(b'{"asset": '),
    "JSON nested without end": with_json(b"[" * 200_000),
    "JSON that is a list": with_json(b"[]"),
    "JSON that is not UTF-8": with_json(b'{"asset":{"version":"2.0","generator":"\xff\xfe"}}'),
    "an accessor past the end": edited(lambda d: d["accessors"][0].update(count=10_000)),
    "an accessor of 10^15 elements": edited(lambda d: d["accessors"][0].update(count=10**15)),
    "nodes that are numbers": edited(lambda d: d.update(nodes=[1])),
    "no mesh": edited(lambda d: d.pop("meshes")),
    "no asset": edited(lambda d: d.pop("asset")),
    "an index past the vertices": edited(lambda d: d["accessors"][0].update(count=7)),
    "a buffer shorter than it says": edited(lambda d: d["bufferViews"][-1].update(byteLength=10_000)),
    "an extension that nobody knows": edited(
        lambda d: d.update(extensionsUsed=["NO_such"], extensionsRequired=["NO_such"])
    ),
    "a picture that does not decode": textured(64).replace(jpeg_of(64)[100:], bytes(len(jpeg_of(64)) - 100)),
    "NaN for a position": cube().replace(CORNERS.tobytes(), b"\0\0\xc0\x7f" + CORNERS.tobytes()[4:]),
}


def verify(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


def test_a_sound_file_meets_its_profile_and_the_document_is_the_contract_s(tmp_path: Path) -> None:
    file = tmp_path / "cube.glb"
    file.write_bytes(cube())
    code, out = verify(str(file), "--json")
    document = json.loads(out)
    assert code == 0
    assert list(document) == ["file", "profile", "passed", "checks"]
    assert (document["file"], document["profile"], document["passed"]) == (str(file), "khronos-mobile-ar", True)
    assert all(list(check) == ["name", "passed", "found", "wanted"] for check in document["checks"])
    assert verify(str(file)) == (0, f"{file}: meets khronos-mobile-ar\n")


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_wrong_is_said_to_break_its_profile(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.glb"
    file.write_bytes(WRONG[name])
    code, out = verify(str(file), "--json")
    document = json.loads(out)
    assert (code, document["passed"]) == (1, False)
    failed = [check for check in document["checks"] if not check["passed"]]
    assert failed
    code, text = verify(str(file))
    assert code == 1
    assert text.endswith(f"{file}: breaks khronos-mobile-ar\n")
    assert all(f"- {check['name']}: {check['found']}" in text for check in failed)


def test_a_folder_and_a_file_that_is_not_there_break_it_too(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nothing.glb"):
        code, out = verify(str(place), "--json")
        assert (code, json.loads(out)["passed"]) == (1, False)


@pytest.mark.parametrize(
    ("profile", "size", "passes"),
    [
        ("amazon", 512, False),
        ("amazon", 2048, True),
        ("khronos-banner", 1024, False),
        ("khronos-banner", 512, True),
        ("khronos-planner", 2048, False),
        ("google-merchant", 4096, False),
        ("shopify", 2048, True),
    ],
)
def test_a_texture_outside_the_profile_s_limits_breaks_it(
    tmp_path: Path, profile: str, size: int, passes: bool
) -> None:
    file = tmp_path / "file.glb"
    file.write_bytes(textured(size))
    code, out = verify(str(file), "--profile", profile, "--json")
    failed = [check["name"] for check in json.loads(out)["checks"] if not check["passed"]]
    assert (code, failed) == ((0, []) if passes else (1, ["texture"]))


def test_a_usdz_is_told_what_to_verify(tmp_path: Path) -> None:
    file = tmp_path / "model.usdz"
    file.write_bytes(pack_stored([("model.usdc", b"PXR-USDC")]))
    code, text = verify(str(file))
    assert code == 1
    assert "as USDZ files are. Only GLBs can be verified" in text


def test_an_unknown_profile_is_wrong_usage(tmp_path: Path) -> None:
    assert verify(str(tmp_path / "nothing.glb"), "--profile", "carrier-pigeon") == (2, "")


@pytest.mark.shared
def test_the_field_s_files_break_their_profiles(shared_dir: Path) -> None:
    cases = shared_dir / "field-cases" / "verify"
    assert verify(str(cases / "notes.glb"))[0] == 1
    code, text = verify(str(cases / "texture512-amazon.glb"), "--profile", "amazon")
    assert code == 1
    assert "- texture: 512" in text
