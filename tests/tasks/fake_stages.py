"""Stages that cost nothing, through the worker's one seam: bytes that depend on the inputs, the parameters, the seed.

Only for tests of the factory around the stages: leases, reuse, crashes, lineage. What a photo does is in its bytes:
``bad`` is no object, ``says …`` fails with that sentence, ``crash`` kills the process, ``hang`` never ends, ``ours`` is
a bug until the file ``MESHMILL_TEST_MENDED`` is there, ``flaky`` fails once, ``review`` makes an asset that a person
must see.
``MESHMILL_TEST_SLOW`` names a stage that takes a minute, ``MESHMILL_TEST_BYTES`` how large each file is,
``MESHMILL_TEST_MEMORY`` (``rays=1024``) which parameter must not be larger than what memory holds,
``MESHMILL_TEST_REAL`` the stages that are computed after all.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from core.errors import NoObject, StageError
from core.progress import Progress
from tasks.worker import StageCall, StageOutput

FILES = {
    "segment": ("cutout.npz", "thumbnail.png"),
    "align": ("photos.npz", "placement.json"),
    "recolour": ("cutout.npz", "field.npz"),
    "views": ("views.npz",),
    "reconstruct": ("field.npz",),
    "mesh": ("mesh.npz",),
    "finish": ("model.glb", "report.json"),
    "assess": ("assessment.json",),
}


def compute(call: StageCall, progress: Progress) -> StageOutput:
    """What a real stage's compute does, without the computing."""
    if call.stage == "preload":
        return StageOutput({})
    if call.stage in os.environ.get("MESHMILL_TEST_REAL", "").split(","):
        from tasks.compute import compute as really

        return really(call, progress)
    log = os.environ.get("MESHMILL_TEST_LOG")
    if log:
        with Path(log).open("a") as stream:
            stream.write(f"{call.stage}\n")
    slow = call.stage == os.environ.get("MESHMILL_TEST_SLOW")
    time.sleep(60 if slow else float(os.environ.get("MESHMILL_TEST_SECONDS", "0")))
    if call.stage == "segment":
        _misbehave(call.inputs["photo"])
    parameter, _, most = os.environ.get("MESHMILL_TEST_MEMORY", "").partition("=")
    if parameter in call.params and call.params[parameter] > int(most):
        raise MemoryError
    progress("step", 1, 1)
    text = json.dumps([call.stage, dict(call.params), call.seed, dict(call.about)], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for path in call.models.values():
        config = Path(path) / "config.json"
        digest.update(config.read_bytes() if config.is_file() else b"")
    for role in sorted(call.inputs):
        digest.update(role.encode() + call.inputs[role])
    size = int(os.environ.get("MESHMILL_TEST_BYTES", "0"))
    said = " doubtful" if call.stage == "segment" and call.inputs["photo"].startswith(b"review") else ""
    said += " of another shape" if call.stage == "segment" and call.inputs["photo"].startswith(b"another") else ""
    files = {name: f"{name} {digest.hexdigest()}{said}".encode().ljust(size) for name in FILES[call.stage]}
    figures: dict[str, Any] = {"faces": 100}
    if call.stage == "finish":
        figures["size_known"] = any(side in call.about for side in ("height_cm", "width_cm", "depth_cm"))
    if call.stage == "recolour":
        figures = {"used": b"of another shape" not in call.inputs["cutout"], "fits": 1.0, "elevation": 12.0}
    if call.stage == "align":
        names = [shot["name"] for shot in call.about["shots"]]
        side = any((shot["azimuth"] or 0) % 180 for shot in call.about["shots"])  # else the further ones only colour
        placed = [{"name": name, "used": True, "shapes": side or not number} for number, name in enumerate(names)]
        left_out = [refused | {"used": False} for refused in call.about.get("refused", ())]
        figures = {"used": len(names), "photos": placed + left_out}
    if call.stage == "assess":
        everything = call.params.get("finished", 0) >= 1  # the score from which nobody is asked
        verdict = "review" if everything or b"doubtful" in call.inputs["cutout"] else "finished"
        figures = {"score": 0.75, "verdict": verdict, "reasons": [], "metrics": {"closed": True}}
    return StageOutput(files, figures)


def _misbehave(photo: bytes) -> None:
    if photo.startswith(b"bad"):
        raise NoObject("No object was found in the photo.")
    if photo.startswith(b"says "):
        raise StageError(photo.decode().removeprefix("says "))
    if photo.startswith(b"crash"):
        os._exit(11)
    if photo.startswith(b"ours") and not Path(os.environ.get("MESHMILL_TEST_MENDED", "/nowhere")).exists():
        raise ZeroDivisionError("division by zero")
    while photo.startswith(b"hang"):
        time.sleep(0.1)
    if photo.startswith(b"flaky"):
        marker = Path(os.environ["MESHMILL_TEST_LOG"]).with_suffix(".flaky")
        if not marker.exists():
            marker.write_text("")
            raise ConnectionResetError("reset by peer")
