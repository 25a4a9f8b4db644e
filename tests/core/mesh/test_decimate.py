"""Levels of detail: budgets, accuracy, and what happens when the tools fail."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from mesh_solids import SOLIDS, density_of

from core.errors import MeshFailed
from core.mesh import meshlab
from core.mesh.decimate import levels_of_detail, thinned
from core.mesh.surface import marching_cubes, solid
from core.mesh.topology import inspect


def surface(name: str, n: int = 96) -> tuple[np.ndarray, np.ndarray]:
    return marching_cubes(solid(density_of(SOLIDS[name], n), 50, 0.8))


@pytest.mark.parametrize("engine", ["pymeshlab", "permissive"])
def test_levels_meet_their_budgets_closed_and_close_to_the_original(engine: str) -> None:
    import igl

    vertices, faces = surface("drilled")
    levels = levels_of_detail(vertices, faces, [4000, 1000, 300], engine)
    assert [level.budget for level in levels] == [4000, 1000, 300]
    diagonal = np.linalg.norm(np.ptp(vertices, axis=0))
    for level, allowed in zip(levels, (0.002, 0.003, 0.02), strict=True):
        assert level.tool == ("pymeshlab" if engine == "pymeshlab" else "qslim")
        assert len(level.faces) <= level.budget
        assert inspect(level.vertices, level.faces).sound
        there = igl.point_mesh_squared_distance(vertices, level.vertices, level.faces)[0]
        back = igl.point_mesh_squared_distance(level.vertices, vertices, faces)[0]
        assert np.sqrt(max(there.max(), back.max())) / diagonal < allowed


def test_a_heavy_mesh_is_thinned_first_and_loses_nothing_that_shows() -> None:
    import igl

    vertices, faces = surface("torus", 230)
    assert len(faces) > 60_000
    lighter, triangles = thinned(vertices, faces, 10_000)
    assert 10_000 <= len(triangles) < 0.8 * len(faces)
    assert inspect(lighter, triangles).sound
    diagonal = np.linalg.norm(np.ptp(vertices, axis=0))
    moved = np.sqrt(igl.point_mesh_squared_distance(vertices[::9], lighter, triangles)[0]) / diagonal
    assert moved.max() < 3e-4
    assert moved.mean() < 1e-4
    (level,) = levels_of_detail(vertices, faces, [5000], "permissive")
    assert len(level.faces) <= 5000
    assert (
        np.sqrt(igl.point_mesh_squared_distance(vertices[::9], level.vertices, level.faces)[0]).max() < 1e-3 * diagonal
    )


def test_flat_sides_are_thinned_without_moving_and_keep_short_edges() -> None:
    import igl

    vertices, faces = surface("drilled", 180)
    lighter, triangles = thinned(vertices, faces, 40_000)
    assert 2000 < len(triangles) < 0.6 * len(faces)
    assert inspect(lighter, triangles).sound
    diagonal = np.linalg.norm(np.ptp(vertices, axis=0))
    assert np.sqrt(igl.point_mesh_squared_distance(vertices[::9], lighter, triangles)[0]).max() < 3e-5 * diagonal
    edges = lighter[triangles] - lighter[triangles[:, [1, 2, 0]]]
    assert np.linalg.norm(edges, axis=-1).max() < 0.08 * diagonal


def test_thinning_leaves_what_it_cannot_improve() -> None:
    vertices, faces = surface("sphere", 32)
    assert thinned(vertices, faces[5:], 10)[1].shape == faces[5:].shape
    assert thinned(vertices, faces, len(faces))[1] is faces


def test_a_mesh_within_the_budget_is_left_alone() -> None:
    vertices, faces = surface("sphere", 32)
    (level,) = levels_of_detail(vertices, faces, [20_000])
    assert level.tool == "none"
    assert level.faces is faces


def test_permissive_never_starts_pymeshlab(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("started")

    monkeypatch.setattr("core.mesh.decimate.decimate_in_worker", forbidden)
    assert levels_of_detail(*surface("sphere", 48), [500], "permissive")[0].tool == "qslim"
    assert "pymeshlab" not in sys.modules


def test_a_worker_killed_in_mid_filter_is_replaced_and_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The filter of 13,000 faces takes a tenth of a second; a child of the worker kills it after a hundredth of one.
    code = f"""
import os, signal, sys, time
from unittest.mock import patch
import pymeshlab
from core.mesh import meshlab_worker

collapse = pymeshlab.MeshSet.meshing_decimation_quadric_edge_collapse

def doomed(*args, **kwargs):
    worker = os.getpid()
    if os.fork() == 0:
        time.sleep(0.01)
        os.kill(worker, signal.SIGKILL)
        os._exit(0)
    open({str(tmp_path / "entered")!r}, "w").close()
    collapse(*args, **kwargs)
    open({str(tmp_path / "left")!r}, "w").close()

patch.object(pymeshlab.MeshSet, "meshing_decimation_quadric_edge_collapse", doomed).start()
meshlab_worker.main(*sys.argv[1:])
"""
    monkeypatch.setattr(meshlab, "WORKER", ("-c", code))
    (level,) = levels_of_detail(*surface("torus", 96), [800])
    assert (tmp_path / "entered").exists()
    assert not (tmp_path / "left").exists()
    assert level.tool == "qslim"
    assert "ended with -9" in level.notes[0]
    assert level.topology.sound


def test_a_worker_that_hangs_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshlab, "WORKER", ("-c", "import time; time.sleep(60)"))
    (level,) = levels_of_detail(*surface("torus", 48), [800], timeout=0.5)
    assert level.tool == "qslim"
    assert "killed" in level.notes[0]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("np.savez(o, vertices_0=np.zeros((0, 3)), faces_0=np.zeros((0, 3), int))", "no faces left"),
        ("np.savez(o, vertices_0=v * np.nan, faces_0=f[:700])", "not numbers"),
        ("np.savez(o, vertices_0=v, faces_0=f[:700])", "not a closed manifold"),
        ("open(o, 'wb').write(b'PK rubbish')", "cannot be read"),
        ("None", "cannot be read"),
        ("import a_package_that_is_not_installed", "ended with 1: ModuleNotFoundError"),
    ],
)
def test_wrong_answers_of_the_worker_are_caught(monkeypatch: pytest.MonkeyPatch, answer: str, why: str) -> None:
    code = f"import sys, numpy as np; i, o = sys.argv[1:]; d = np.load(i); v, f = d['vertices'], d['faces']; {answer}"
    monkeypatch.setattr(meshlab, "WORKER", ("-c", code))
    (level,) = levels_of_detail(*surface("torus", 48), [800])
    assert level.tool == "qslim"
    assert why in level.notes[0]


def test_nothing_left_after_decimation_is_an_error_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.mesh.decimate.qslim", lambda *_: (np.zeros((0, 3)), np.zeros((0, 3), np.int64)))
    with pytest.raises(MeshFailed, match="No tool could reduce"):
        levels_of_detail(*surface("torus", 48), [800], "permissive")


def test_broken_meshes_are_refused_before_any_tool_sees_them() -> None:
    vertices, faces = surface("sphere", 32)
    with pytest.raises(MeshFailed, match="not numbers"):
        levels_of_detail(vertices * np.nan, faces, [100])
    with pytest.raises(MeshFailed, match="closed"):
        levels_of_detail(vertices, faces[5:], [100])
    with pytest.raises(MeshFailed, match="no faces"):
        levels_of_detail(vertices, faces[:0], [100])
