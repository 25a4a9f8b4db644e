"""What each stage makes of fixed inputs, and the rule that goes with it: other output needs another version.

`stages.json` holds, a case each: the facts that a stage's key is made of (version, parameters, hashes of weights and
inputs), the sha256 of every file, and a summary of each file's numbers. On a machine like the one that recorded (its
processor, its libraries) bytes are compared. Elsewhere bytes differ without any fault: matrix kernels add up in another
order, and the last bits follow (plain kernels or AVX2 for AVX-512: up to 1e-4 of a field's range in a voxel). There
means and deviations of an array's parts are compared, which such bits move little and another method moves much.

    python -m tests.golden.golden              compare
    python -m tests.golden.golden --record     record what changed; refused where no fact changed with it
    python -m tests.golden.golden --inputs     make the inputs anew too (their format changed)
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core.mesh import AssetAbout
from core.recipes import load_recipe
from tasks.artifacts import kind_of
from tasks.models import resolve_segmenter, resolve_views
from tasks.settings import Settings
from tasks.stages import STAGE
from tasks.worker import StageCall, StageWorker

HERE = Path(__file__).parent
RECORD, INPUTS = HERE / "stages.json", HERE / "inputs"
PHOTO = HERE.parents[1] / "examples" / "photos" / "enamel-mug-green.png"
COMMAND = "python -m tests.golden.golden --record"
ABOUT = AssetAbout("MUG-01", "0123456789abcdef", "ab" * 32, "starter", "Apache-2.0", "(c) A Shop", 12.5)
SMALL = (
    'views.rings=[{"elevation":10,"count":3}]',
    "reconstruct.steps=24",
    "reconstruct.grid=32",
    "reconstruct.rays=512",
    "reconstruct.early_stop=false",
    "finish.faces=1000",
    "finish.lods=[300]",
    "finish.texture=128",
    "finish.turntable=2",
)
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "segment": ("segment", ()),
    "recolour": ("recolour", ()),
    "views": ("views", ()),
    "views in three steps": ("views", ("views.steps=3", "views.guidance=2", "views.eta=1")),
    "reconstruct": ("reconstruct", ()),
    "reconstruct as released": ("reconstruct", ("reconstruct.preset=released", "reconstruct.steps=4")),
    "mesh": ("mesh", ()),
    "mesh without GPL code": ("mesh", ("mesh.engine=permissive",)),
    "finish": ("finish", ()),
    "assess": ("assess", ()),
}
"""A name, the stage, and what its recipe has beside :data:`SMALL`."""

LIBRARIES = ("torch", "numpy", "scipy", "onnxruntime", "pillow", "rembg", "diffusers", "transformers", "scikit-image",
             "pymeshlab", "libigl", "xatlas", "trimesh", "manifold3d", "usd-core", "DracoPy")  # fmt: skip
TOLERANCE = 0.001
"""Of an array's range, or of a number: two hundred times what other kernels do to means and deviations."""


@dataclass(frozen=True)
class Made:
    """What one case made, and of what."""

    stage: str
    facts: dict[str, Any]
    files: Mapping[str, bytes]


def machine() -> dict[str, str]:
    """What bytes depend on beside the code."""
    import torch

    return {
        "processor": hashlib.sha256(_processor().encode()).hexdigest()[:12],
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "python": f"{platform.machine()} {platform.python_version_tuple()[1]}",
    } | {name: version(name) for name in LIBRARIES}


def _processor() -> str:
    wanted = ("vendor_id", "cpu family", "model", "model name", "flags")
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(line for line in first if line.partition("\t")[0].strip() in wanted)


class Line:
    """Runs cases in one worker process with one thread. Close it."""

    def __init__(self, home: Path) -> None:
        from tasks.compute import compute

        self.settings = Settings(home=home)
        self.worker = StageWorker(compute, "golden", threads=1)

    def make(self, case: str, inputs: Mapping[str, bytes] | None = None) -> Made:
        """A case from the recorded inputs, or from others by kind."""
        name, overrides = CASES[case]
        stage, recipe = STAGE[name], load_recipe("starter", (*SMALL, *overrides))
        kinds = (*stage.inputs, "field") if name == "recolour" else stage.inputs
        given = {kind: inputs[kind] for kind in kinds} if inputs else recorded_inputs(kinds)
        if name == "recolour":  # a product in its own colours: its field comes out as it was
            given["base cutout"] = given["cutout"]
        weights = {}
        if stage.weights == "segmenter":
            weights = {"segmenter": resolve_segmenter(self.settings, recipe.segment.model, _nobody)}
        elif stage.weights:
            weights = {"views": resolve_views(self.settings, recipe.views.checkpoint, _nobody)}
        call = StageCall(
            name,
            given,
            stage.params_of(recipe),
            recipe.seed if stage.seeded else 0,
            {role: found.path for role, found in weights.items()},
            asdict(ABOUT) if stage.about else {},
            device="cpu",
        )
        output = self.worker.call(call, _nothing, 1800)
        facts = {
            "version": stage.version,
            "params": call.params,
            "weights": {role: found.sha256 for role, found in weights.items()},
            "inputs": {kind: hashlib.sha256(data).hexdigest() for kind, data in given.items()},
        }
        return Made(name, json.loads(json.dumps(facts)), output.files)

    def close(self) -> None:
        self.worker.close()


def recorded_inputs(kinds: tuple[str, ...]) -> dict[str, bytes]:
    return {kind: (PHOTO if kind == "photo" else INPUTS / kind).read_bytes() for kind in kinds}


def make_inputs(line: Line) -> None:
    """A painted block with a hole, as exact cameras see it, and what mesh and finish make of it."""
    from core.artifacts import Cutout, Field, ViewSet
    from tests.core.mesh.mesh_solids import SOLIDS, scene

    field, cutout, views = scene(SOLIDS["drilled"], 32)
    flat = np.round(4 * np.asarray(field.color)).astype(np.float32) / 4  # few colours: small files
    rgba = cutout.rgba // 64 * 64 + cutout.rgba // 64 * 21
    inputs: dict[str, bytes] = {
        "field": Field(field.density, flat, field.camera, {"isovalue": 50.0}).to_bytes(),
        "cutout": Cutout(rgba, cutout.source_box, "alpha").to_bytes(),
        "views": ViewSet(views.images // 32 * 36, views.cameras, views.condition).to_bytes(),
        "thumbnail.png": _png(rgba[::4, ::4]),
    }
    for case in ("mesh", "finish"):
        inputs |= {kind_of(name): data for name, data in line.make(case, inputs).files.items()}
    INPUTS.mkdir(exist_ok=True)
    for kind in ("field", "cutout", "views", "thumbnail.png", "mesh", "glb", "report"):
        (INPUTS / kind).write_bytes(inputs[kind])


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}


def summary(name: str, data: bytes) -> dict[str, Any]:
    """The numbers of a file: shapes and quantiles of arrays, leaves of JSON, the size of what is neither."""
    from PIL import Image

    from core.mesh import read_glb

    suffix = Path(name).suffix
    if suffix == ".npz":
        arrays = dict(np.load(io.BytesIO(data)))
        meta = json.loads(arrays.pop("meta").tobytes())
        return {key: sketch(values) for key, values in arrays.items()} | dict(leaves(meta, "meta"))
    if suffix == ".json":
        return dict(leaves(json.loads(data), ""))
    if suffix == ".glb":
        model = read_glb(data)
        parts = {"vertices": model.vertices, "normals": model.normals, "uv": model.uv, "texels": model.texels()}
        return {key: sketch(values) for key, values in parts.items() if values is not None} | {
            "faces": len(model.faces)
        }
    if suffix in (".png", ".webp"):
        with Image.open(io.BytesIO(data)) as picture:
            return {"pixels": sketch(np.asarray(picture.convert("RGBA")))}
    return {"bytes": len(data)}


def sketch(values: np.ndarray) -> dict[str, Any]:
    """Shape and range; mean and deviation of the whole and of each of 32 parts of an array."""
    flat = values.astype(np.float64).ravel()
    parts = [flat, *np.array_split(flat, 32)] if len(flat) >= 64 else [flat]
    numbers = [[part.mean(), part.std()] for part in parts]
    rounded = [[float(f"{x:.6g}") for x in row] for row in numbers]
    return {"shape": list(values.shape), "range": float(np.ptp(flat)), "numbers": rounded}


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Numbers and texts of a JSON document by their paths."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
    else:
        yield path, value


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where two summaries are further apart than rounding."""
    if isinstance(expected, dict) and isinstance(found, dict) and set(expected) == {"shape", "range", "numbers"}:
        yield from _sketches(expected, found, path)
    elif isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted({*expected, *found}):
            if key not in expected or key not in found:
                yield f"{path}/{key} is only in one"
            else:
                yield from differences(expected[key], found[key], f"{path}/{key}")
    elif _is_number(expected) and _is_number(found):
        if not math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=1e-3):
            yield f"{path}: {found}, recorded {expected}"
    elif expected != found:
        yield f"{path}: {found!r}, recorded {expected!r}"


def _sketches(expected: dict[str, Any], found: dict[str, Any], path: str) -> Iterator[str]:
    if expected["shape"][1:] != found["shape"][1:] or not math.isclose(
        expected["shape"][0], found["shape"][0], rel_tol=TOLERANCE
    ):
        yield f"{path}: shape {found['shape']}, recorded {expected['shape']}"
        return
    one, other = np.array(expected["numbers"]), np.array(found["numbers"])
    allowed = TOLERANCE * max(expected["range"], 0.1 * abs(float(one[0, 0])), 1e-6)
    # Vertices of a mesh may be numbered otherwise: then only the whole can be compared.
    rows = slice(None) if expected["shape"] == found["shape"] else slice(1)
    if (off := np.abs(one - other)[rows].max()) > allowed:
        yield f"{path}: off by {off:.4g}, allowed {allowed:.4g}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def changes(recorded: Mapping[str, Any], made: Made) -> tuple[list[str], list[str]]:
    """Facts that are others than recorded, and files that are."""
    facts = [name for name in made.facts if made.facts[name] != recorded["facts"][name]]
    found = hashes(made.files)
    if recorded["machine"] == machine():
        files = [
            name for name in sorted({*found, *recorded["sha256"]}) if found.get(name) != recorded["sha256"].get(name)
        ]
    else:
        files = list(differences(recorded["summary"], {name: summary(name, made.files[name]) for name in found}))
    return facts, files


def verdict(recorded: Mapping[str, Any], made: Made) -> str:
    """What is wrong with a case, or nothing."""
    facts, files = changes(recorded, made)
    if facts:
        return f"The {made.stage} stage has another {' and '.join(facts)} than recorded. If that was meant: {COMMAND}"
    if files:
        return (
            f"The {made.stage} stage makes something else under the same version {made.facts['version']}: "
            f"{'; '.join(files[:5])}. If that was meant, raise its version in tasks/stages.py, then: {COMMAND}"
        )
    return ""


def read_record() -> dict[str, Any]:
    return dict(json.loads(RECORD.read_text())) if RECORD.exists() else {}


def record(line: Line) -> list[str]:
    """Write what changed into the record; sentences about what may not."""
    before, after, refused = read_record(), {}, []
    for case in CASES:
        made = line.make(case)
        known = before.get(case)
        if known is not None:
            facts, files = changes(known, made)
            if not facts and files:
                refused.append(verdict(known, made))
            if not facts:
                after[case] = known
                continue
        summaries = {name: summary(name, data) for name, data in sorted(made.files.items())}
        after[case] = {
            "facts": made.facts, "machine": machine(), "sha256": hashes(made.files), "summary": summaries,
        }  # fmt: skip
    text = json.dumps(after, indent=1)
    RECORD.write_text(re.sub(r"\[[^][{}]*\]", lambda row: " ".join(row[0].split()), text) + "\n")  # a row a line
    return refused


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _nobody(*_: object) -> None: ...


def _nothing(*_: object, **__: object) -> None: ...


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--inputs", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshmill-golden-") as home:
        line = Line(Path(home))
        try:
            if options.inputs:
                make_inputs(line)
            if options.record or options.inputs:
                wrong = record(line)
            else:
                wrong = [text for case, known in read_record().items() if (text := verdict(known, line.make(case)))]
        finally:
            line.close()
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
