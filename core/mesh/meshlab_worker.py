"""The only module that imports pymeshlab (GPL-3): a program of its own, ``python -m core.mesh.meshlab_worker IN OUT``.

``IN`` is an npz with ``vertices``, ``faces`` and ``targets``; ``OUT`` receives ``vertices_i``, ``faces_i`` for each
target. It is killed from outside when it hangs, and its crash is nobody else's.
"""

from __future__ import annotations

import sys

import numpy as np


def main(source: str, target: str) -> None:
    """Clean ``source``'s mesh and decimate it step by step to each of its targets, descending."""
    import pymeshlab

    with np.load(source, allow_pickle=False) as data:
        vertices, faces, targets = data["vertices"], data["faces"], data["targets"]
    meshes = pymeshlab.MeshSet()
    meshes.add_mesh(pymeshlab.Mesh(vertices, faces))
    meshes.meshing_remove_duplicate_vertices()
    meshes.meshing_remove_null_faces()
    meshes.meshing_remove_unreferenced_vertices()
    result: dict[str, np.ndarray] = {}
    for i, budget in enumerate(targets):
        meshes.meshing_decimation_quadric_edge_collapse(
            targetfacenum=int(budget), preservenormal=True, preservetopology=True, qualitythr=0.3
        )
        mesh = meshes.current_mesh()
        # Copies: the matrices die with the set.
        result[f"vertices_{i}"], result[f"faces_{i}"] = mesh.vertex_matrix().copy(), mesh.face_matrix().copy()
    with open(target, "wb") as file:  # noqa: PTH123
        np.savez(file, allow_pickle=False, **result)


if __name__ == "__main__":
    main(*sys.argv[1:3])
