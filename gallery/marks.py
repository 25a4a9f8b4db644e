"""Where on a model a reason can be seen: its loose pieces, as points that the page's viewer marks; what no photo shows,
in colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MOST = 20
"""Pieces that are marked, the largest first."""


@dataclass(frozen=True)
class Mark:
    """A point of a loose piece, in the file's own frame."""

    x: float
    y: float
    z: float


def loose_pieces(glb: bytes) -> list[Mark]:
    """A point on every piece but the largest. Raises :class:`core.errors.MeshmillError` for a file that cannot be
    read."""
    from core.mesh.gltf import read_glb
    from core.mesh.topology import areas, face_components, weld

    model = read_glb(glb)
    vertices, faces = weld(np.asarray(model.vertices, np.float64), np.asarray(model.faces, np.int64))
    piece = face_components(faces)
    size = np.bincount(piece, weights=areas(vertices, faces))
    marks = []
    for number in np.argsort(-size, kind="stable")[1 : MOST + 1]:
        points = vertices[np.unique(faces[piece == number])]
        nearest = points[np.argmin(np.linalg.norm(points - points.mean(0), axis=1))]
        marks.append(Mark(*(round(float(value), 5) for value in nearest)))
    return marks


MADE_FROM = ("glb", "cutout", "views", "report")
"""What :func:`seen_model` reads; ``photos`` too, where there are several."""


def seen_model(read: Callable[[str], bytes], several: bool) -> bytes:
    """The model in the colours of who saw what; ``read`` gives an asset's file by its kind. Raises
    :class:`core.errors.MeshmillError` for files that cannot be read."""
    from core.artifacts import Cutout, ViewSet
    from core.mesh.unseen import seen_and_unseen
    from core.photo_set import PhotoSet
    from core.reports import FinishReport

    return seen_and_unseen(
        read("glb"),
        Cutout.from_bytes(read("cutout")),
        ViewSet.from_bytes(read("views")),
        FinishReport.model_validate_json(read("report")),
        PhotoSet.from_bytes(read("photos")) if several else None,
    )
