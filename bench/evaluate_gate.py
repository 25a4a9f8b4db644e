"""How well the gate's score orders assets by their true quality, on procedural objects with known faults.

    python bench/evaluate_gate.py [--objects 60] [--first-seed 900000]

Each object is damaged by a random amount in one or several ways (squashed in depth, inflated, bent, with wrong
colours, turned); cutout and views are rendered from the undamaged truth, optionally disturbed as a weak view model's
would be. Reported: Spearman's rank correlation of the score with the true volumetric IoU (64) and with the F-score at
2 %, and how many of the truly worst fifth are among the fifth with the lowest scores. Nothing here tunes the gate.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.mesh.gltf import write_glb
from core.mesh.values import Model
from core.quality import QualityParams, assess, shape
from core.quality.evidence import fitted, picture_of
from core.quality.voxels import occupancy, voxel_iou

CONDITION = Camera(0, 20)
RING = tuple(Camera(azimuth, elevation) for elevation, azimuths in ((10, range(0, 360, 60)), (40, (30, 150, 270)))
             for azimuth in azimuths)  # fmt: skip
POINTS = 20_000


def damaged(vertices, colors, rng):
    """The truth's vertices and colours with random faults; their sizes are drawn, most are small."""
    wrong = vertices.copy()
    size = rng.random(5) ** 2
    wrong[:, 2] *= 1 - 0.9 * size[0] * (rng.random() < 0.6)
    wrong *= 1 + 0.35 * size[1] * np.sin(rng.uniform(2, 9) * wrong[:, [1, 2, 0]] + rng.uniform(0, 6, 3))
    if rng.random() < 0.3:
        wrong[:, [0, 2]] *= (1 + 0.8 * size[2] * (wrong[:, 1] + 0.5))[:, None]
    if rng.random() < 0.3:
        wrong = shape.turned(wrong, 90 * size[3])
    mixed = colors * (1 - size[4]) + rng.integers(0, 256, 3) * size[4]
    return wrong, mixed.astype(np.uint8)


def disturbed(image, rng):
    """A view as a weak model makes it: blurred, shifted by some pixels, or its neighbour's."""
    from scipy import ndimage

    blurred = ndimage.gaussian_filter(image.astype(float), (rng.uniform(0, 1.5),) * 2 + (0,))
    return np.roll(blurred, rng.integers(-3, 4, 2), (0, 1)).round().astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=900_000)
    options = parser.parse_args()

    import torch
    from scipy.stats import spearmanr

    from core.procedural import generate_objects, to_mesh

    torch.set_num_threads(1)
    table = generate_objects(range(options.first_seed, options.first_seed + options.objects))
    rows, began = [], time.monotonic()
    for index in range(options.objects):
        rng = np.random.default_rng(index)
        mesh = to_mesh(table, index, resolution=64)
        vertices, faces, colors = shape.normalised(mesh.vertices), mesh.faces, mesh.colors
        mask = np.zeros((512, 512), bool)
        mask[56:456, 56:456] = True
        world = fitted(vertices, mask, CONDITION)
        picture, alpha = picture_of(world, faces, CONDITION, 512, {"colors": colors})
        cutout = Cutout(np.dstack([picture, alpha]), (0, 0, 512, 512), "alpha")
        views = np.stack([disturbed(picture_of(world, faces, c, 64, {"colors": colors})[0], rng) for c in RING])
        wrong, tint = damaged(vertices, colors, rng)
        normals = np.tile(np.array([0, 1, 0], np.float32), (len(wrong), 1))
        glb = write_glb(Model(wrong.astype(np.float32), normals, faces, colors=tint), "damaged")
        judged = assess(cutout, ViewSet(views, RING, CONDITION), glb, {}, QualityParams())
        ours = shape.normalised(wrong)
        iou = voxel_iou(occupancy((ours, faces), 64), occupancy((vertices, faces), 64))
        a, b = shape.sample_surface((ours, faces), POINTS, 0), shape.sample_surface((vertices, faces), POINTS, 1)
        f2 = shape.fscore(shape.distances(a, b), shape.distances(b, a), 0.02)
        rows.append((judged.score, iou, f2))
    score, iou, f2 = np.array(rows).T
    fifth = max(1, len(rows) // 5)
    caught = len(set(np.argsort(score)[:fifth]) & set(np.argsort(iou)[:fifth])) / fifth
    print(json.dumps({
        "objects": len(rows), "seconds": round(time.monotonic() - began, 1),
        "spearman_iou": round(float(spearmanr(score, iou).statistic), 3),
        "spearman_fscore_2": round(float(spearmanr(score, f2).statistic), 3),
        "worst_fifth_caught": round(caught, 3),
        "score": [round(float(x), 3) for x in np.quantile(score, [0, 0.25, 0.5, 0.75, 1])],
        "iou": [round(float(x), 3) for x in np.quantile(iou, [0, 0.25, 0.5, 0.75, 1])],
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
