"""Who saw what of a model: the photo's side, what a view shows, what nobody saw."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.errors import MeshFailed
from core.mesh.gltf import read_glb, write_glb
from core.mesh.sources import on_surface
from core.mesh.unseen import IMAGINED, SHOWN, UNSEEN, seen_and_unseen
from core.mesh.values import Model
from core.photo_set import PhotoSet, Place, PosedPhoto
from core.render import render_mesh
from core.reports import FinishReport, PlacementReport
from core.segment.framing import bounding_box

SCALE = 0.25
PLACED = FinishReport(placement=PlacementReport(scale=SCALE, offset=(0, 0, 0)))


def sphere() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(3, 0.5)


def glb() -> bytes:
    mesh = sphere()
    vertices = (mesh.vertices * SCALE).astype(np.float32)
    return write_glb(Model(vertices, mesh.vertex_normals.astype(np.float32), np.asarray(mesh.faces, np.int64),
                           colors=np.full((len(vertices), 3), 90, np.uint8)), "ball")  # fmt: skip


def looked(camera: Camera, size: int) -> np.ndarray:
    mesh = sphere()
    seen = render_mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64), camera, size, supersample=2)
    rgba = np.full((size, size, 4), 90, np.uint8)
    rgba[..., 3] = seen.alpha
    return rgba


def test_the_photo_s_side_is_grey_a_view_s_yellow_and_the_rest_red() -> None:
    front, behind = Camera(0, 0), Camera(180, 0)
    cutout = Cutout(looked(front, 512), (0, 0, 512, 512), "test", 1.0)
    view = looked(behind, 128)
    over_white = np.where(view[..., 3:] > 127, view[..., :3], 255).astype(np.uint8)
    none = np.zeros((0, 128, 128, 3), np.uint8)
    for images, cameras, back in ((over_white[None], (behind,), IMAGINED), (none, (), UNSEEN)):
        views = ViewSet(images, cameras, front)
        found = read_glb(seen_and_unseen(glb(), cutout, views, PLACED))
        z = found.vertices[:, 2] / SCALE / 0.5
        assert found.colors is not None
        assert (found.colors[z > 0.5] == SHOWN).all()
        assert (found.colors[z < -0.8] == back).mean() > 0.95
        assert (found.colors[np.abs(z) < 0.1] == UNSEEN).mean() > 0.5, "the rim is seen by nobody"
        assert np.allclose(np.ptp(found.vertices, axis=0), SCALE, atol=0.01), "it stands where the model stands"


def test_a_photo_that_only_colours_is_laid_over_the_surface_and_seen_there() -> None:
    """Its own frame shows the ball a third larger and beside the middle; where it lies is read off the surface."""
    front, behind = Camera(0, 10), Camera(180, 10)
    cutout = Cutout(looked(front, 512), (0, 0, 512, 512), "test", 1.0)
    moved = np.roll(looked(Camera(180, 10, fov=front.fov / 1.37), 512), 30, axis=1)
    back = PosedPhoto(Cutout(moved, (0, 0, 512, 512), "test", 1.0), Place(behind))
    photos = PhotoSet((PosedPhoto(cutout, Place(front)),), painters=(back,))
    mesh = sphere()
    laid = on_surface(back, front, np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64))
    ours, theirs = (
        np.asarray(bounding_box(shown[..., 3] > 127)) for shown in (looked(behind, 512), laid.framed().rgba)
    )
    assert np.abs(ours - theirs).max() <= 2
    views = ViewSet(np.zeros((0, 128, 128, 3), np.uint8), (), front)
    for given, seen in ((photos, SHOWN), (None, UNSEEN)):
        found = read_glb(seen_and_unseen(glb(), cutout, views, PLACED, given))
        assert found.colors is not None
        assert (found.colors[found.vertices[:, 2] / SCALE < -0.3] == seen).all()


def test_what_does_not_say_where_it_stands_is_refused() -> None:
    front = Camera(0, 0)
    cutout = Cutout(looked(front, 512), (0, 0, 512, 512), "test", 1.0)
    views = ViewSet(np.zeros((0, 64, 64, 3), np.uint8), (), front)
    for data, report in ((glb(), FinishReport()), (b"no file", PLACED)):
        with pytest.raises(MeshFailed):
            seen_and_unseen(data, cutout, views, report)
