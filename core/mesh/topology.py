"""Is a triangle mesh a closed, outward-facing manifold? Counted edges and manifold3d must both say so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]


@dataclass(frozen=True)
class Topology:
    """What counting says about a mesh."""

    faces: int
    vertices: int
    components: int
    open_edges: int
    """Edges used by one face only."""
    crowded_edges: int
    """Edges used by more than two faces."""
    flipped_edges: int
    """Edges that two faces run through in the same direction."""
    pinched_vertices: int
    """Vertices whose faces form more than one fan."""
    degenerate_faces: int
    """Faces with a repeated corner or no area."""
    volume: float
    """Signed; positive when faces look outward."""
    manifold: bool
    """manifold3d's own verdict."""

    @property
    def sound(self) -> bool:
        """Closed, manifold, consistently oriented, outward."""
        bad = self.open_edges + self.crowded_edges + self.flipped_edges + self.pinched_vertices
        return self.faces > 0 and bad == 0 and self.volume > 0 and self.manifold

    def report(self) -> dict[str, Any]:
        return asdict(self) | {"sound": self.sound}


def inspect(vertices: Vertices, faces: Faces) -> Topology:
    """Count everything that :class:`Topology` names. Vertices that share a position but not an index stay separate."""
    edges = np.sort(_edges(faces), 1)
    _, uses = np.unique(edges, axis=0, return_counts=True) if len(edges) else (edges, np.zeros(0, int))
    _, directed = np.unique(_edges(faces), axis=0, return_counts=True) if len(edges) else (edges, np.zeros(0, int))
    return Topology(
        faces=len(faces),
        vertices=len(np.unique(faces)),
        components=int(face_components(faces).max(initial=-1)) + 1,
        open_edges=int((uses == 1).sum()),
        crowded_edges=int((uses > 2).sum()),
        flipped_edges=int((directed > 1).sum()),
        pinched_vertices=len(pinched_vertices(faces)),
        degenerate_faces=int((areas(vertices, faces) <= 0).sum()),
        volume=float(signed_volumes(vertices, faces).sum()),
        manifold=manifold3d_agrees(vertices, faces),
    )


def areas(vertices: Vertices, faces: Faces) -> NDArray[np.float64]:
    """Area of each face, ``(F,)``."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def signed_volumes(vertices: Vertices, faces: Faces) -> NDArray[np.float64]:
    """Signed volume of the tetrahedron from the origin to each face, ``(F,)``; their sum is the mesh's volume."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.asarray((a * np.cross(b, c)).sum(1) / 6)


def face_components(faces: Faces) -> NDArray[np.int64]:
    """The number of the component that each face belongs to (joined through edges), ``(F,)``, largest first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if len(faces) == 0:
        return np.zeros(0, np.int64)
    first, second = _neighbours(faces)
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(len(faces), len(faces)))
    labels = connected_components(graph, directed=False)[1]
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[labels])


def pinched_vertices(faces: Faces) -> NDArray[np.int64]:
    """Vertices whose faces are not one fan joined through edges: two parts that touch in a point."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if len(faces) == 0:
        return np.zeros(0, np.int64)
    # One node a face corner; corners of the same vertex are joined where their faces share an edge at it.
    half = _edges(faces)
    owner = np.tile(np.arange(len(faces)), 3)
    start_corner = np.concatenate([3 * np.arange(len(faces)) + i for i in range(3)])
    end_corner = np.concatenate([3 * np.arange(len(faces)) + (i + 1) % 3 for i in range(3)])
    low_first = half[:, 0] < half[:, 1]
    low = np.where(low_first, start_corner, end_corner)
    high = np.where(low_first, end_corner, start_corner)
    order = np.lexsort((owner, half.max(1), half.min(1)))
    same = (np.diff(half.min(1)[order]) == 0) & (np.diff(half.max(1)[order]) == 0)
    a, b = order[:-1][same], order[1:][same]
    first, second = np.concatenate([low[a], high[a]]), np.concatenate([low[b], high[b]])
    n = 3 * len(faces)
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(n, n))
    fans = connected_components(graph, directed=False)[1]
    pairs = np.unique(np.column_stack([faces.reshape(-1), fans]), axis=0)
    vertices, count = np.unique(pairs[:, 0], return_counts=True)
    return np.asarray(vertices[count > 1])


def manifold3d_agrees(vertices: Vertices, faces: Faces) -> bool:
    """Whether manifold3d accepts the triangles as an oriented closed manifold."""
    import manifold3d

    if len(faces) == 0 or not np.isfinite(vertices).all():
        return False
    mesh = manifold3d.Mesh64(
        np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.uint64), tolerance=0.0
    )
    status = manifold3d.Manifold(mesh).status()
    return bool(status == manifold3d.Error.NoError)


def compact(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces, NDArray[np.int64]]:
    """Without unused vertices; the third value lists the kept ones."""
    used, inverse = np.unique(faces, return_inverse=True)
    return vertices[used], inverse.reshape(-1, 3).astype(np.int64), used


def vertex_normals(vertices: Vertices, faces: Faces) -> Vertices:
    """Unit normals ``(V, 3)``: the faces' own, weighted by their area times their angle at the vertex."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for i in range(3):
        u, v = corners[:, (i + 1) % 3] - corners[:, i], corners[:, (i + 2) % 3] - corners[:, i]
        cosine = (u * v).sum(1) / np.maximum(np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1), 1e-30)
        weighted = normals * np.arccos(np.clip(cosine, -1, 1))[:, None]
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, i], weighted[:, axis], len(vertices))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    up = np.tile([0.0, 1.0, 0.0], (len(vertices), 1))
    return np.asarray(np.where(length > 0, total / np.maximum(length, 1e-30), up))


def _edges(faces: Faces) -> NDArray[np.int64]:
    """Directed edges ``(3F, 2)``: first edges of all faces, then second, then third."""
    return np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)])


def _neighbours(faces: Faces) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of faces that share an edge."""
    edges = np.sort(_edges(faces), 1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    same = (np.diff(edges[order], axis=0) == 0).all(1)
    owner = np.tile(np.arange(len(faces)), 3)[order]
    return owner[:-1][same], owner[1:][same]
