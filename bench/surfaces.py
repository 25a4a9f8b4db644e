"""What the mesh stage makes of scans: how rough, how many pieces, how true to the photo's outline.

python bench/surfaces.py ../shared/eval-dev [--photo exact|white|textured] [--guess] [--fields DIR]

One photo each, cut out by its exact mask or by the recipe's segmenter over a ground; the camera's height is known, or
with ``--guess`` it is not. The mesh as it leaves the stage, before faces are saved and charts are cut, so nothing is
said of textures; ``iou`` and ``chamfer`` are those of the evaluation. Scans of `bench/elevation_set.py` are summed up
by height.
*Roughness* is the mean angle between neighbouring faces in degrees, weighted by the length of their edge; *crumbs* are
pieces of less than 8 % of the largest one's area; *crossing* counts faces that pass through others; *outline* is the
IoU of the mesh's outline and the photo's. ``--fields`` keeps fields and takes them from there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from core.artifacts import Cutout, Field, Mesh, ViewSet
from core.errors import MeshmillError
from core.mesh import extract_mesh
from core.mesh.topology import areas, crossing_faces, face_components
from core.quality.images import mask_iou
from core.recipes import load_recipe
from core.render import render_mesh
from core.segment import load_segmenter, segment
from core.sjc import reconstruct
from core.zero123 import load_model, make_view_set
from evaluation import protocol
from evaluation.folder import EvaluationObject, list_objects, read_object
from evaluation.run import decode_photo

CRUMB = 0.08


def roughness(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Degrees; of edges that two faces share."""
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    ends = vertices[mesh.face_adjacency_edges]
    length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    return float(np.degrees((mesh.face_adjacency_angles * length).sum() / length.sum()))


def pieces(mesh: Mesh) -> np.ndarray:
    """Areas of the pieces over the largest one's."""
    sums = np.bincount(face_components(mesh.faces), areas(mesh.vertices, mesh.faces))
    return np.asarray(sums / sums.max())


def figures(mesh: Mesh, cutout: Cutout, views: ViewSet, item: EvaluationObject, seed: int) -> dict[str, float]:
    """Of one scan's mesh."""
    shown = render_mesh(mesh.vertices, mesh.faces, views.condition, cutout.rgba.shape[0]).alpha >= 128
    parts = pieces(mesh)
    surface = protocol.asset_in_truth_frame((mesh.vertices, mesh.faces), item.camera)
    scores = protocol.shape_scores(surface, protocol.truth_solid(item.truth, seed), item.camera, seed, align=False)
    return {
        "iou": scores["known_camera"]["iou"],
        "chamfer": scores["known_camera"]["chamfer"],
        "roughness": roughness(mesh.vertices, mesh.faces),
        "pieces": len(parts),
        "crumbs": int((parts < CRUMB).sum()),
        "crossing": len(crossing_faces(mesh.vertices, mesh.faces)),
        "outline": mask_iou(shown, cutout.rgba[..., 3] >= 128),
    }


NOTHING = {"iou": 0.0, "chamfer": 0.5}
"""Of a photo in which no product is found."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photo", choices=("exact", "white", "textured"), default="exact")
    parser.add_argument("--guess", action="store_true", help="nobody tells the camera's height")
    parser.add_argument("--recipe", default="starter")
    parser.add_argument("--scans", nargs="+", help="only these")
    parser.add_argument("--fields", type=Path, help="keep the volumes there, and take them from there")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    recipe = load_recipe(options.recipe)
    model = load_model(Path(__file__).resolve().parents[1] / "models" / "starter")
    segmenter = None if options.photo == "exact" else load_segmenter(recipe.segment.model)
    cut = recipe.segment.model_copy(update={"use_alpha": segmenter is None})
    rows: dict[str, list[dict[str, float]]] = {}
    for name in list_objects(options.folder):
        scan, _, height = name.partition("@")
        if options.scans and scan not in options.scans:
            continue
        item = read_object(options.folder, name)
        params = recipe.views
        if not options.guess:
            params = params.model_copy(update={"elevation": item.camera.elevation})
        try:
            photo = decode_photo(item.photo if segmenter is None else item.backgrounds[options.photo])
            cutout = segment(photo, cut, segmenter=segmenter)  # type: ignore[arg-type]
            views = make_view_set(model, cutout, params, recipe.seed)
            kept = None if options.fields is None else options.fields / f"{name}.npz"
            if kept is not None and kept.is_file():
                field = Field.from_bytes(kept.read_bytes())
            else:
                field = reconstruct(model, cutout, views, recipe.reconstruct, recipe.seed)
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(field.to_bytes())
            row = figures(extract_mesh(field, cutout, views, recipe.mesh), cutout, views, item, recipe.seed)
            row["height"] = views.condition.elevation
        except MeshmillError as error:
            print(f"{name}: {error}", flush=True)
            row = NOTHING
        rows.setdefault(height, []).append(row)
        print(f"{name:22} " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
    for height, some in sorted(rows.items()):
        print(height, len(some), json.dumps(protocol.rounded(protocol.mean_of(some), 4)))


if __name__ == "__main__":
    main()
