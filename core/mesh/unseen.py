"""Where on a finished model somebody looked: what a photo shows, what was imagined, what nobody saw."""

from __future__ import annotations

import numpy as np

from core.artifacts import Cutout, ViewSet
from core.errors import MeshFailed
from core.mesh.bake import by_a_photo, by_a_view, sight_of
from core.mesh.gltf import read_glb, write_glb
from core.mesh.placement import Placement
from core.mesh.sources import photo_sources, view_sources
from core.mesh.topology import vertex_normals, weld
from core.mesh.values import Model
from core.photo_set import PhotoSet
from core.reports import FinishReport

SHOWN, IMAGINED, UNSEEN = (205, 205, 205), (245, 190, 60), (200, 30, 30)
"""Colours: a photo shows it; only a synthesized view does; nothing does."""


def seen_and_unseen(
    glb: bytes, cutout: Cutout, view_set: ViewSet, report: FinishReport, photos: PhotoSet | None = None
) -> bytes:
    """The model as a GLB coloured by who saw what, as the texture was baked (:mod:`core.mesh.bake`).

    ``cutout``, ``view_set`` and ``photos`` are what it was made from, ``report`` the finish stage's. Raises
    :class:`MeshFailed` for a file that cannot be read or whose report does not say where it stands.
    """
    model, placement = read_glb(glb), Placement.from_report(report)
    if placement is None:
        raise MeshFailed("The report does not say how the model was placed.")
    vertices, faces = weld(model.vertices, np.asarray(model.faces, np.int64))
    world = placement.back(vertices)
    if photos is not None:
        cutout = photos.main.framed()
    sources = photo_sources(cutout, view_set.condition, world, faces, photos)
    sight = sight_of(sources, view_sources(view_set, world, faces), world, vertex_normals(world, faces))
    colors = np.array([UNSEEN, IMAGINED, SHOWN], np.uint8)[np.where(by_a_photo(sight), 2, by_a_view(sight).astype(int))]
    normals = vertex_normals(vertices, faces)
    return write_glb(Model(vertices.astype(np.float32), normals.astype(np.float32), faces, colors=colors), "seen")
