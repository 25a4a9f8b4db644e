"""Does a GLB hold together, and does it fit a delivery profile? Every answer is a line of a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import MeshFailed
from core.mesh.budgets import find_profile
from core.mesh.gltf import read_glb, unpack_glb
from core.mesh.topology import inspect, weld
from core.mesh.validity import invalidity, picture_sizes
from core.mesh.values import Model
from core.reports import CheckReport, VerificationReport

DEFAULT_PROFILE = "khronos-mobile-ar"


@dataclass(frozen=True)
class Check:
    """One line of the verification."""

    name: str
    passed: bool
    found: str
    wanted: str


@dataclass(frozen=True)
class Verification:
    """All checks of one file."""

    profile: str
    source: str
    url: str
    """Where the profile's budgets stand in public."""
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def report(self) -> VerificationReport:
        """The verification as it is stored."""
        checks = [CheckReport(**asdict(check)) for check in self.checks]
        return VerificationReport(
            profile=self.profile, source=self.source, url=self.url, passed=self.passed, checks=checks
        )


def verify_glb(source: bytes | str | Path, profile: str | None = None) -> Verification:
    """Check a GLB's container, structure, geometry and the budgets of ``profile`` (mobile AR by default).

    A file that cannot be read is a failed check, not an exception; an unknown profile raises
    :class:`core.errors.InvalidRecipe`.
    """
    name = profile or DEFAULT_PROFILE
    budget = find_profile(name)
    checks: list[Check] = []

    def require(label: str, wrong: str, right: str, wanted: str) -> bool:
        checks.append(Check(label, not wrong, wrong.rstrip(".") or right, wanted))
        return not wrong

    data, unreadable = _read(source)
    sound = require("readable", unreadable, "GLB 2.0", "a GLB of glTF 2.0")
    if not sound or not require("valid", invalidity(data), "glTF 2.0", "valid glTF with one still mesh"):
        return Verification(name, budget.source, budget.url, tuple(checks))
    document, _ = unpack_glb(data)
    model = read_glb(data)
    pictures = sorted(map(max, picture_sizes(data))) or [0]

    def limit(label: str, values: list[int], most: int | None, least: int | None = None) -> None:
        bounds = [f"at most {most:,}"] if most is not None else []
        bounds += [f"at least {least:,}"] if least is not None else []
        if bounds:
            passed = (most is None or values[-1] <= most) and (least is None or values[0] >= least)
            found = " to ".join(f"{value:,}" for value in sorted({values[0], values[-1]}))
            checks.append(Check(label, passed, found, " and ".join(bounds)))

    limit("bytes", [len(data)], budget.max_bytes)
    limit("triangles", [len(model.faces)], budget.max_triangles)
    limit("vertices", [len(model.vertices)], budget.max_vertices)
    limit("texture", pictures, budget.max_texture, budget.min_texture)
    limit("materials", [len(document.get("materials", []))], budget.max_materials)
    checks += _structure(document, model)
    return Verification(name, budget.source, budget.url, tuple(checks))


def _read(source: bytes | str | Path) -> tuple[bytes, str]:
    """The bytes of a GLB, and why they are none or hold none."""
    data = source if isinstance(source, bytes) else b""
    if not isinstance(source, bytes):
        path = Path(source)
        if path.exists() and not path.is_file():
            return data, "It is no file."
        try:
            with path.open("rb") as file:
                data = file.read(4)
                data += file.read() if data == b"glTF" else b""
        except OSError as error:
            return data, error.strerror or str(error)
    if data[:4] == b"PK\x03\x04":
        return data, "It is a zip, as USDZ files are. Only GLBs can be verified: take the GLB of the same asset."
    try:
        unpack_glb(data)
    except MeshFailed as error:
        return data, str(error)
    return data, ""


def _structure(document: dict[str, Any], model: Model) -> list[Check]:
    """Checks that hold for every profile."""
    import trimesh

    checks = []

    def require(label: str, passed: bool, found: object, wanted: str) -> None:
        checks.append(Check(label, bool(passed), str(found), wanted))

    if model.uv is not None:
        low, high = float(model.uv.min(initial=0)), float(model.uv.max(initial=0))
        require("texture coordinates", low >= -1e-3 and high <= 1.001, f"{low:.3f}..{high:.3f}", "within 0..1")
    state = inspect(*weld(model.vertices, model.faces))
    wrong = state.open_edges + state.crowded_edges + state.flipped_edges + state.pinched_vertices
    require("closed", state.sound, f"{wrong} faults, volume {state.volume:.3g}", "closed, manifold, facing outward")
    loaded = trimesh.Trimesh(model.vertices, model.faces)  # merges equal positions
    require("watertight", loaded.is_volume, f"volume {loaded.volume:.3g}", "trimesh finds a volume in it")
    low_y = float(model.vertices[:, 1].min(initial=0))
    size = float(np.ptp(model.vertices, axis=0).max()) if len(model.vertices) else 0.0
    middle = (model.vertices.max(0) + model.vertices.min(0))[[0, 2]] / 2 if len(model.vertices) else np.zeros(2)
    # A lighter level stands where the full one does: thinning it moves its outline by up to some thousandths.
    standing = abs(low_y) < 5e-3 * size and np.abs(middle).max() < 5e-3 * size
    require("origin", standing, f"bottom {low_y:.4g}, centre {middle[0]:.4g} {middle[1]:.4g}", "bottom centre")
    surfaces = [material.get("pbrMetallicRoughness", {}) for material in document.get("materials", [])] or [{}]
    found = [(given.get("baseColorFactor", [1, 1, 1, 1]), given.get("metallicFactor", 1)) for given in surfaces]
    factor, metallic = next((one for one in found if one != ([1, 1, 1, 1], 0)), found[0])
    require("material", factor == [1, 1, 1, 1] and metallic == 0, f"{factor}, metallic {metallic}", "white, metallic 0")
    asset = document.get("asset", {})
    extras = asset.get("extras")
    given = extras if isinstance(extras, dict) else {}
    missing = [key for key in ("sku", "asset_id", "recipe_hash", "checkpoint") if key not in given]
    require("provenance", not missing, "complete" if not missing else f"no {', '.join(missing)}", "in asset.extras")
    return checks
