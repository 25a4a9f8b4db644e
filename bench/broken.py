"""Does the gate hold back what a person would call broken? Assets that it lets through, broken by construction.

    python bench/broken.py DIR [DIR ...] [--params fitted.json] [--rows FILE.jsonl]

Each DIR holds folders as ``bench/gate.py make`` leaves them. Every asset that finishes is broken in each of
:data:`KINDS`, with amounts drawn from its name, and judged again. The report says how many of the intact ones finish,
and how many of each kind do not.
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path

import numpy as np
from gate import stored

from core.mesh.gltf import read_glb, write_glb
from core.mesh.topology import compact
from core.mesh.values import Model
from core.quality import QualityParams
from core.quality.checks import VETOES, VISIBLE, forecasting
from core.quality.gate import combine, measured, ramp, visible_faults

KINDS = ("cut", "cut behind", "shift", "shift behind", "split", "hole", "open", "mirror", "lean", "lean back")


def broken(model, kind, rng):
    """``model`` with the fault ``kind``: a side or the back cut off, its upper half moved, a hole drilled through or
    torn open, its front mirrored onto its back, leaning sideways or backwards. None where no hole can be drilled."""
    low, high = model.vertices.min(0), model.vertices.max(0)
    size, middle = high - low, (low + high) / 2
    if kind == "open":
        centroids = model.vertices[model.faces].mean(1)
        target = centroids[rng.integers(len(centroids))]
        kept = np.linalg.norm(centroids - target, axis=1) > rng.uniform(0.12, 0.2) * size.max()
        return replaced(model, model.vertices, model.faces[kept], model.uv)
    if kind.startswith("lean"):
        angle = np.radians(rng.uniform(18, 30)) * (1 if kind == "lean back" else rng.choice((-1, 1)))
        c, s = np.cos(angle), np.sin(angle)
        sideways, back = [[c, -s, 0], [s, c, 0], [0, 0, 1]], [[1, 0, 0], [0, c, s], [0, -s, c]]
        turn = np.array(back if kind == "lean back" else sideways)
        foot = np.array([middle[0], low[1], middle[2]])
        return replaced(model, (model.vertices - foot) @ turn.T + foot, model.faces, model.uv)
    solid = solid_of(model)
    if kind == "cut":
        sign = rng.choice((-1, 1))
        return of_solids(model, solid.trim_by_plane((sign, 0, 0), sign * middle[0] - rng.uniform(0.1, 0.25) * size[0]))
    if kind == "cut behind":
        return of_solids(model, solid.trim_by_plane((0, 0, 1), low[2] + rng.uniform(0.4, 0.6) * size[2]))
    if kind == "hole":
        tries = (solid - drill(middle, size, rng) for _ in range(20))
        drilled = next((attempt for attempt in tries if attempt.genus() > solid.genus()), None)  # it may miss
        return None if drilled is None else of_solids(model, drilled)
    if kind == "mirror":
        front = solid.trim_by_plane((0, 0, 1), middle[2])
        return of_solids(model, front + front.translate(-middle).mirror((0, 0, 1)).translate(middle))
    upper, lower = solid.split_by_plane((0, 1, 0), middle[1])
    amount = rng.uniform(0.2, 0.35)
    if kind == "split":
        return of_solids(model, lower, upper.translate((0, 0.4 * amount * size[1], 0)))
    step = (amount * size[0], 0, 0) if kind == "shift" else (0, 0, -amount * size[2])
    return of_solids(model, lower + upper.translate(step))


def drill(middle, size, rng):
    """A rod along z with the solid's two texture coordinates (0), which a difference needs on both sides."""
    import manifold3d

    rod = manifold3d.Manifold.cylinder(3 * size[2], rng.uniform(0.13, 0.2) * min(size[0], size[1]), center=True)
    off = middle + np.append(rng.uniform(-0.15, 0.15, 2) * size[:2], 0)
    return rod.translate(off).set_properties(2, lambda position, old: (0.0, 0.0))


def solid_of(model):
    """A manifold that carries the texture coordinates; vertices split along seams are merged by position."""
    import manifold3d

    _, first, inverse = np.unique(model.vertices, axis=0, return_index=True, return_inverse=True)
    target = first[inverse.reshape(-1)]
    split = np.flatnonzero(target != np.arange(len(target)))
    return manifold3d.Manifold(
        manifold3d.Mesh(
            np.ascontiguousarray(np.hstack([model.vertices, model.uv]), np.float32),
            np.ascontiguousarray(model.faces, np.uint32),
            merge_from_vert=split.astype(np.uint32),
            merge_to_vert=target[split].astype(np.uint32),
        )
    )


def of_solids(model, *solids):
    """The model's texture on other solids."""
    vertices, faces, start = [], [], 0
    for solid in solids:
        mesh = solid.to_mesh()
        vertices.append(np.asarray(mesh.vert_properties, np.float64))
        faces.append(np.asarray(mesh.tri_verts, np.int64) + start)
        start += len(vertices[-1])
    table = np.vstack(vertices)
    return replaced(model, table[:, :3], np.vstack(faces), table[:, 3:5])


def replaced(model, vertices, faces, uv):
    points, kept, used = compact(np.asarray(vertices, np.float64), faces)
    up = np.tile(np.array([0, 1, 0], np.float32), (len(points), 1))
    return Model(
        points.astype(np.float32), up, kept, np.asarray(uv[used], np.float32), model.texture, model.texture_type
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--params", type=Path, help="what `bench/gate.py fit` printed, instead of the recipe's")
    parser.add_argument("--rows", type=Path, help="write every judged asset's metrics here, a JSON line each")
    options = parser.parse_args()
    params = QualityParams.model_validate(json.loads(options.params.read_text()) if options.params else {})
    held, made, through, intact = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0), 0, 0
    rows = options.rows.open("w") if options.rows else None

    def judged(name, kind, glb, asset):
        cutout, views, _, report, photos = asset
        metrics = measured(cutout, views, glb, report, photos)
        if rows:
            print(json.dumps({"name": name, "kind": kind, "metrics": metrics}), file=rows, flush=True)
        return metrics, combine(metrics, params) * visible_faults(metrics) >= params.finished

    for home in sorted(path.parent for folder in options.folders for path in folder.glob("*/row.json")):
        name, asset = f"{home.parent.name}/{home.name}", stored(home)
        glb = asset[2]
        intact += 1
        if not judged(name, "", glb, asset)[1]:
            continue
        through += 1
        model = read_glb(glb)
        for kind in KINDS:
            rng = np.random.default_rng(zlib.crc32(f"{name} {kind}".encode()))
            worse = broken(model, kind, rng)
            if worse is None:
                continue
            metrics, finishes = judged(name, kind, write_glb(worse, "broken"), asset)
            made[kind] += 1
            held[kind] += not finishes
            if finishes:
                checks = [c for c in (*VETOES, *VISIBLE, *forecasting(metrics)) if c.metric in metrics]
                low = [c.metric for c in checks if ramp(metrics[c.metric], c) < 0.5]
                print(f"{name} {kind}: finishes ({combine(metrics, params):.2f}), low: {', '.join(low)}", flush=True)
    total = sum(made.values())
    kinds = {kind: f"{held[kind]}/{made[kind]}" for kind in KINDS}
    print(json.dumps({"assets": intact, "finish": through, "broken": total, "held": sum(held.values()),
                      "share": round(sum(held.values()) / max(total, 1), 4), "kinds": kinds}, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
