"""Levels of detail: one closed mesh for every face budget, whichever tool provides it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import MeshFailed
from core.mesh.meshlab import MeshlabUnavailable, decimate_in_worker
from core.mesh.topology import compact, inspect
from core.reports import Topology

TIMEOUT = 120.0
"""Seconds after which pymeshlab's process is killed: 200k faces take three."""

HEAVY = 60_000
"""Faces from which a mesh is thinned before its quadrics are collapsed, which cost far more a face."""
THINNING = (1.5e-4, 1e-5)
"""How far thinning may move the surface, in diagonals: half of the mean error that 20k faces may have where the
surface bends everywhere, hardly at all where flat sides leave so few faces that bends must not lose any."""
EDGE = 0.03
"""Longest edge of a thinned mesh, in diagonals: flat sides need vertices for colours to grow over."""


@dataclass(frozen=True)
class Level:
    """One level of detail."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    budget: int
    tool: str
    """``none`` (already light enough), ``pymeshlab`` or ``qslim``."""
    topology: Topology
    notes: tuple[str, ...] = ()
    """Why another tool than the first choice made it."""


def levels_of_detail(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    budgets: list[int],
    engine: str = "pymeshlab",
    timeout: float = TIMEOUT,
) -> list[Level]:
    """Closed, manifold meshes of at most each of ``budgets`` faces (descending), every one made from the one before.

    ``engine="pymeshlab"`` tries pymeshlab's quadric collapse first, in its own process; ``permissive`` never starts
    it. Every result is inspected and replaced by libigl's ``qslim`` when it is not sound. Raises
    :class:`MeshFailed` when no tool meets the first budget; later levels that cannot be met are left out.
    """
    if not np.isfinite(vertices).all() or len(faces) == 0:
        raise MeshFailed("The mesh has no faces or has vertices that are not numbers.")
    if len(faces) > HEAVY and len(faces) > 4 * budgets[0]:
        vertices, faces = thinned(vertices, faces, 2 * budgets[0])
    before = inspect(vertices, faces)
    if not before.sound:
        raise MeshFailed("The mesh is not a closed manifold, so that it cannot be decimated safely.")
    offered: dict[int, tuple[NDArray[np.float64], NDArray[np.int64]]] = {}
    notes: list[str] = []
    needed = [budget for budget in budgets if budget < len(faces)]
    if engine == "pymeshlab" and needed:
        try:
            offered = dict(zip(needed, decimate_in_worker(vertices, faces, needed, timeout), strict=True))
        except MeshlabUnavailable as error:
            notes.append(str(error))
    levels: list[Level] = []
    current = Level(vertices, faces, len(faces), "none", before)
    for budget in budgets:
        if budget >= len(current.faces):
            level = Level(current.vertices, current.faces, budget, "none", current.topology)
        else:
            found = _first_sound(current, budget, offered.get(budget), notes)
            if found is None and not levels:
                raise MeshFailed(f"No tool could reduce the mesh to {budget} faces without breaking it.")
            if found is None:
                continue
            level = found
        levels.append(level)
        current = level
    return levels


def _first_sound(
    current: Level, budget: int, offered: tuple[NDArray[np.float64], NDArray[np.int64]] | None, notes: list[str]
) -> Level | None:
    """pymeshlab's offer if it holds, else qslim's at the budget or a little below, else None."""
    reasons = list(notes)
    if offered is not None:
        vertices, faces, _ = compact(*offered) if len(offered[1]) else (*offered, None)
        if (fault := _fault(current, vertices, faces, budget)) is None:
            return Level(vertices, faces, budget, "pymeshlab", inspect(vertices, faces), tuple(reasons))
        reasons.append(f"pymeshlab: {fault}")
    for target in (budget, budget - budget // 10, budget - budget // 5):
        vertices, faces = qslim(current.vertices, current.faces, target)
        if (fault := _fault(current, vertices, faces, budget)) is None:
            return Level(vertices, faces, budget, "qslim", inspect(vertices, faces), tuple(reasons))
        reasons.append(f"qslim at {target}: {fault}")
    return None


def thinned(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], enough: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Without the vertices that hardly shape the surface, by manifold3d.

    Marching cubes makes most of its faces where nothing bends. manifold3d finds them ten times faster than quadrics
    do, and what it returns is manifold again. Flat sides would leave fewer than ``enough`` faces: then only what is
    flat goes, and long edges are divided again, which moves nothing. A mesh that manifold3d does not accept comes back
    unchanged.
    """
    import manifold3d

    solid = manifold3d.Manifold(manifold3d.Mesh64(vertices, np.ascontiguousarray(faces, np.uint64), tolerance=0.0))
    if solid.status() != manifold3d.Error.NoError:
        return vertices, faces
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    bends, flat = THINNING
    lighter = solid.simplify(bends * diagonal)
    if lighter.num_tri() < enough:
        lighter = solid.simplify(flat * diagonal).refine_to_length(EDGE * diagonal)
    if not 0 < lighter.num_tri() < len(faces):
        return vertices, faces
    mesh = lighter.to_mesh64()
    return np.array(mesh.vert_properties[:, :3], np.float64), np.asarray(mesh.tri_verts).astype(np.int64)


def qslim(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], target: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """libigl's quadric decimation; an empty mesh (its way of refusing) comes back as one."""
    import igl

    v, f, _, _ = igl.qslim(np.asfortranarray(vertices), np.asfortranarray(faces.astype(np.int32)), target)
    if len(f) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    kept, triangles, _ = compact(np.ascontiguousarray(v), np.ascontiguousarray(f).astype(np.int64))
    return kept, triangles


def _fault(before: Level, vertices: NDArray[np.float64], faces: NDArray[np.int64], budget: int) -> str | None:
    """Why a decimated mesh is not acceptable, or None."""
    if len(faces) == 0:
        return "no faces left"
    if not np.isfinite(vertices).all():
        return "vertices that are not numbers"
    if len(faces) > budget:
        return f"{len(faces)} faces"
    state = inspect(vertices, faces)
    if not state.sound:
        return "not a closed manifold"
    if state.components > before.topology.components:
        return "torn into parts"
    size = np.ptp(before.vertices, axis=0)
    if np.abs(np.ptp(vertices, axis=0) - size).max() > 0.05 * size.max():
        return "its size changed by more than 5 %"
    if not 0.5 < state.volume / before.topology.volume < 2:
        return "its volume changed by half"
    return None
