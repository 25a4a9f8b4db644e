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
from core.mesh.values import Model

DEFAULT_PROFILE = "khronos-mobile-ar"
READABLE = "one textured mesh in a GLB"


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

    def report(self) -> dict[str, Any]:
        """The verification as plain data, for ``--json`` and for the database."""
        return {
            "profile": self.profile,
            "source": self.source,
            "url": self.url,
            "passed": self.passed,
            "checks": [asdict(check) for check in self.checks],
        }


def verify_glb(source: bytes | str | Path, profile: str | None = None) -> Verification:
    """Check a GLB's container, structure, geometry and the budgets of ``profile`` (mobile AR by default).

    A file that cannot be read is a failed check, not an exception; an unknown profile raises
    :class:`core.errors.InvalidRecipe`.
    """
    name = profile or DEFAULT_PROFILE
    budget = find_profile(name)
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        document, _ = unpack_glb(data)
        model = read_glb(data)
        texels = model.texels()
    except (MeshFailed, OSError, ValueError) as error:
        found = (isinstance(error, OSError) and error.strerror) or str(error)
        return Verification(name, budget.source, budget.url, (Check("readable", False, found.rstrip("."), READABLE),))

    checks = [Check("readable", True, "GLB 2.0", READABLE)]

    def limit(label: str, value: int, most: int | None, least: int | None = None) -> None:
        bounds = [f"at most {most:,}"] if most is not None else []
        bounds += [f"at least {least:,}"] if least is not None else []
        if bounds:
            passed = (most is None or value <= most) and (least is None or value >= least)
            checks.append(Check(label, passed, f"{value:,}", " and ".join(bounds)))

    limit("bytes", len(data), budget.max_bytes)
    limit("triangles", len(model.faces), budget.max_triangles)
    limit("vertices", len(model.vertices), budget.max_vertices)
    limit("texture", max(texels.shape[:2]) if texels is not None else 0, budget.max_texture, budget.min_texture)
    limit("materials", len(document.get("materials", [])), budget.max_materials)
    checks += _structure(document, model)
    return Verification(name, budget.source, budget.url, tuple(checks))


def _structure(document: dict[str, Any], model: Model) -> list[Check]:
    """Checks that hold for every profile."""
    import trimesh

    checks = []

    def require(label: str, passed: bool, found: object, wanted: str) -> None:
        checks.append(Check(label, bool(passed), str(found), wanted))

    finite = all(np.isfinite(a).all() for a in (model.vertices, model.normals) if a is not None)
    require("finite", finite, "finite" if finite else "NaN or infinity", "finite positions and normals")
    top = int(model.faces.max(initial=-1))
    require("indices", top < len(model.vertices), top, f"below {len(model.vertices)}")
    if not finite or top >= len(model.vertices):
        return checks
    length = np.linalg.norm(model.normals, axis=1)
    require("normals", np.abs(length - 1).max(initial=0) < 0.02, f"{length.min(initial=1):.4f}", "unit length")
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
    standing = abs(low_y) < 1e-3 * size and np.abs(middle).max() < 1e-3 * size
    require("origin", standing, f"bottom {low_y:.4g}, centre {middle[0]:.4g} {middle[1]:.4g}", "bottom centre")
    surface = (document.get("materials") or [{}])[0].get("pbrMetallicRoughness", {})
    factor, metallic = surface.get("baseColorFactor", [1, 1, 1, 1]), surface.get("metallicFactor", 1)
    require("material", factor == [1, 1, 1, 1] and metallic == 0, f"{factor}, metallic {metallic}", "white, metallic 0")
    asset = document.get("asset", {})
    missing = [key for key in ("sku", "asset_id", "recipe_hash", "checkpoint") if key not in asset.get("extras", {})]
    require("provenance", not missing, "complete" if not missing else f"no {', '.join(missing)}", "in asset.extras")
    return checks
