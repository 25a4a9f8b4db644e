"""Is a triangle mesh a closed, outward-facing manifold? Counted edges and manifold3d must both say so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.reports import Topology

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]


def inspect(vertices: Vertices, faces: Faces) -> Topology:
    """Count everything that :class:`Topology` names. Vertices that share a position but not an index stay separate."""
    keys = _edge_keys(faces)
    uses = _run_lengths(np.sort(keys))
    directed = _run_lengths(np.sort(keys * 2 + _descending(faces)))
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
    corner = np.arange(3 * len(faces)).reshape(-1, 3)
    start, end = corner.T.reshape(-1), corner[:, [1, 2, 0]].T.reshape(-1)
    falls = _descending(faces).astype(bool)
    low, high = np.where(falls, end, start), np.where(falls, start, end)
    a, b = _same_key(_edge_keys(faces))
    first, second = np.concatenate([low[a], high[a]]), np.concatenate([low[b], high[b]])
    n = 3 * len(faces)
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(n, n))
    fans = connected_components(graph, directed=False)[1]
    pairs = np.unique(faces.reshape(-1) * np.int64(n) + fans) // n
    return np.asarray(np.unique(pairs[1:][np.diff(pairs) == 0]))


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


def crossing_faces(vertices: Vertices, faces: Faces) -> NDArray[np.int64]:
    """Faces that pass through another one, ``(K,)``, by libigl's exact predicates; neighbours that touch do not."""
    import igl.predicates

    _, pairs, _ = igl.predicates.find_self_intersections(
        np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.int64)
    )
    return np.asarray(np.unique(pairs), np.int64)


def compact(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces, NDArray[np.int64]]:
    """Without unused vertices; the third value lists the kept ones."""
    used, inverse = np.unique(faces, return_inverse=True)
    return vertices[used], inverse.reshape(-1, 3).astype(np.int64), used


def weld(vertices: NDArray[np.floating], faces: Faces) -> tuple[Vertices, Faces]:
    """One vertex a position: undoes the splits along the seams of an atlas."""
    rows = np.ascontiguousarray(np.asarray(vertices, np.float64) + 0.0)  # -0 becomes 0
    _, first, inverse = np.unique(rows.view("V24").ravel(), return_index=True, return_inverse=True)
    return rows[first], inverse[faces].astype(np.int64)


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


def _edge_keys(faces: Faces) -> NDArray[np.int64]:
    """One number an undirected edge, ``(3F,)``: first edges of all faces, then second, then third."""
    start, end = faces.T.reshape(-1), faces[:, [1, 2, 0]].T.reshape(-1)
    return np.asarray(np.minimum(start, end) * np.int64(faces.max(initial=0) + 1) + np.maximum(start, end))


def _descending(faces: Faces) -> NDArray[np.int64]:
    """1 where a directed edge runs from the higher to the lower vertex, in the order of :func:`_edge_keys`."""
    return (faces.T.reshape(-1) > faces[:, [1, 2, 0]].T.reshape(-1)).astype(np.int64)


def _run_lengths(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each value of a sorted list occurs."""
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return np.diff(starts, append=len(ordered))


def _same_key(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Neighbouring pairs of positions that hold equal keys."""
    order = np.argsort(keys, kind="stable")
    same = np.diff(keys[order]) == 0
    return order[:-1][same], order[1:][same]


def _neighbours(faces: Faces) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of faces that share an edge."""
    first, second = _same_key(_edge_keys(faces))
    return first % len(faces), second % len(faces)
