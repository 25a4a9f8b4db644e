"""Finishing, measured: procedural products through mesh and finish, decimation of 200k faces, memory over many meshes.

python bench/finish.py products [--count 20] [--fields DIR] [--light] [--out DIR]
    every check that a published file must pass, the front against the photo, bytes, CPU seconds; of procedural products
    and of the fields in DIR/*/{cutout,views,field} (artifacts of a run); --light: 5k faces, 512² instead of 20k, 1024²
python bench/finish.py decimate                              200k faces to 20k, 5k, 1k: error in % of the diagonal
python bench/finish.py memory [--count 500]                  resident memory while meshes go through
"""

from __future__ import annotations

import argparse
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the viewers are the tests' own

from core.artifacts import Cutout, Field, ViewSet
from core.cameras import Camera
from core.errors import MeshmillError
from core.mesh import AssetAbout, Finished, FinishParams, MeshParams, extract_mesh, finish_asset
from core.mesh.decimate import levels_of_detail
from core.mesh.surface import march, solid
from core.render import over, render_mesh

ABOUT = AssetAbout("bench", "bench", "0" * 64, "oracle", "Apache-2.0")


def cpu_seconds() -> float:
    """Of this process and its finished children."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def lattice(n: int) -> np.ndarray:
    """Voxel centres of the field ``(n, n, n, 3)``, indexed z, y, x."""
    axis = -1 + (np.arange(n, dtype=np.float32) + 0.5) * 2 / n
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.stack([x, y, z], -1)


def product(seed: int, n: int = 80) -> tuple[Field, Cutout, ViewSet]:
    """An oracle field of a procedural product with exact pictures, unlit."""
    import torch

    from core.procedural import generate_objects, signed_distance, to_mesh

    table = generate_objects([seed])
    mesh = to_mesh(table, 0, 96)
    points = torch.from_numpy(lattice(n).reshape(-1, 3))
    distance = torch.cat([signed_distance(table, part[None])[0] for part in points.split(1 << 18)]).numpy()
    density = (100 * np.clip(0.5 - distance.reshape(n, n, n) * n / 4, 0, 1)).astype(np.float32)
    camera = Camera(0, 15)

    def picture(eye: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
        render = render_mesh(mesh.vertices, mesh.faces, eye, size, colors=mesh.colors, supersample=2)
        return render.rgb, render.alpha

    cutout = Cutout(np.dstack(picture(camera, 512)), (0, 0, 512, 512), "alpha")
    cameras = (*(Camera(45 * i, 15) for i in range(1, 8)), Camera(0, 70), Camera(180, -15))
    views = np.array([over(*picture(eye, 256)) for eye in cameras])
    return Field(density, None, camera, {"isovalue": 50.0}), cutout, ViewSet(views, cameras, camera)


Scene = tuple[str, Field, Cutout, ViewSet, int | None]


def oracles(count: int) -> Iterator[Scene]:
    """Procedural products with exact pictures, and how many parts each has."""
    from core.mesh.topology import face_components
    from core.procedural import generate_objects, to_mesh

    for seed in range(count):
        parts = int(face_components(to_mesh(generate_objects([seed]), 0, 96).faces).max()) + 1
        yield (str(seed), *product(seed), parts)


def stored(folder: Path) -> Iterator[Scene]:
    """Artifacts of a run; nobody knows how many parts their products have."""
    for place in sorted(path.parent for path in folder.glob("*/field")):
        read = [kind.from_bytes((place / name).read_bytes()) for kind, name in KINDS]
        yield (place.name, *read, None)  # type: ignore[misc]


KINDS = ((Field, "field"), (Cutout, "cutout"), (ViewSet, "views"))


def products(scenes: Iterator[Scene], params: FinishParams, out: Path | None) -> None:
    from tests.core.mesh.viewers import install_khronos

    khronos = Path(tempfile.gettempdir(), "meshmill-khronos")
    if reason := install_khronos(khronos):
        raise SystemExit(reason)
    print("field  faces parts (truth)  front PSNR  IoU  KB: GLB small (share) USDZ  CPU s: mesh finish | what failed")
    published: dict[str, bytes] = {}
    failed = []
    for name, field, cutout, views, parts in scenes:
        start = cpu_seconds()
        try:
            mesh = extract_mesh(field, cutout, views, MeshParams())
            middle = cpu_seconds()
            result = finish_asset(mesh, field, cutout, views, params, ABOUT)  # raises where USD's validators object
        except MeshmillError as error:
            failed.append(name)
            print(f"{name:>5s} {type(error).__name__}: {error}", flush=True)
            continue
        end = cpu_seconds()
        faults = file_faults(result, khronos)
        failed += [name] if faults else []
        published[name] = result.files["model.glb"]
        first, size = result.report["levels"]["model.glb"], result.report["bytes"]
        front, left_out = result.report["front"], result.report["levels_left_out"]
        print(
            f"{name:>5s} {first['faces']:6d} {first['topology']['components']:5d} ({parts})"
            f" {front['psnr']:12.1f} {front['iou']:.3f}"
            f" {size['model.glb'] / 1e3:8.0f} {size['small.glb'] / 1e3:5.0f}"
            f" ({size['small.glb'] / size['model.glb']:.0%}) {size['model.usdz'] / 1e3:5.0f}"
            f" {middle - start:11.1f} {end - middle:6.1f} | {'; '.join(faults) or 'nothing'}"
            f"{f', without {left_out}' if left_out else ''}",
            flush=True,
        )
        if out is not None:
            (out / name).mkdir(parents=True, exist_ok=True)
            for file, data in result.files.items():
                (out / name / file).write_bytes(data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(published)} published, with faults: {failed or 'none'}; peak memory {peak:.0f} MiB (with torch)")
    in_browser(published)


def file_faults(result: Finished, khronos: Path) -> list[str]:
    """What is wrong with the files of one asset: topology, the Khronos validator, trimesh."""
    import trimesh

    from tests.core.mesh.viewers import khronos_issues

    levels = result.report["levels"]
    glbs = {file: data for file, data in result.files.items() if file.endswith(".glb")}
    faults = [f"{file} is not closed" for file, level in levels.items() if not level["topology"]["sound"]]
    for file, issues in zip(glbs, khronos_issues(khronos, *glbs.values()), strict=True):
        counts = [issues[kind] for kind in ("numErrors", "numWarnings", "numHints")]
        faults += [f"{file}: validator {counts}"] if any(counts) else []
    for file, level in levels.items():
        loaded = trimesh.load(io.BytesIO(glbs[file]), file_type="glb", force="mesh")
        faults += [f"{file}: trimesh"] if len(loaded.faces) != level["faces"] else []
    return faults


def in_browser(published: dict[str, bytes]) -> None:
    """Draw every model with three.js; last, because a busy machine's browser may keep one waiting."""
    from tests.core.mesh.viewers import drawn_share, three_js

    with tempfile.TemporaryDirectory(prefix="meshmill-") as folder, three_js(Path(folder, "chromium")) as draw:
        for name, glb in published.items():
            try:
                share = drawn_share(draw(glb))
            except TimeoutError as error:
                print(f"{name:>5s} three.js: {error}", flush=True)
            else:
                print(f"{name:>5s} three.js drew {share:.1%}{'' if 0.02 < share < 0.95 else ' WRONG'}", flush=True)


def samples(vertices: np.ndarray, faces: np.ndarray, count: int = 60_000) -> np.ndarray:
    """Points spread evenly over a surface."""
    rng = np.random.default_rng(0)
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chosen = rng.choice(len(faces), count, p=area / area.sum())
    root, split = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    return a[chosen] * (1 - root) + b[chosen] * root * (1 - split) + c[chosen] * root * split


def decimate() -> None:
    import igl

    shapes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "torus": lambda p: np.hypot(np.hypot(p[..., 0], p[..., 2]) - 0.33, p[..., 1]) - 0.13,
        "gyroid": lambda p: np.maximum(
            np.abs((np.sin(9 * p) * np.cos(9 * p[..., [1, 2, 0]])).sum(-1)) / 9 - 0.05, np.linalg.norm(p, axis=-1) - 0.5
        ),
    }
    print("shape   engine      faces      CPU s (all levels)  mean %  Hausdorff %")
    for name, n in (("torus", 400), ("gyroid", 208)):
        axis = -1 + (np.arange(n, dtype=np.float32) + 0.5) * 2 / n
        # Layer by layer: all coordinates at once would be a gigabyte.
        distance = np.stack(
            [shapes[name](np.stack(np.broadcast_arrays(axis, axis[:, None], z), -1)) for z in axis]
        ).astype(np.float32)
        vertices, faces = march(solid(100 * np.clip(0.5 - distance * n / 4, 0, 1), 50, 0.65))
        diagonal = np.linalg.norm(np.ptp(vertices, axis=0))
        for engine in ("pymeshlab", "permissive"):
            for budgets in ([20_000], [20_000, 5000, 1000]):
                start = cpu_seconds()
                levels = levels_of_detail(vertices, faces, budgets, engine)
                seconds = cpu_seconds() - start
                for level in levels:
                    there = igl.point_mesh_squared_distance(
                        np.concatenate([samples(vertices, faces), vertices]), level.vertices, level.faces
                    )[0]
                    back = igl.point_mesh_squared_distance(samples(level.vertices, level.faces), vertices, faces)[0]
                    mean = (np.sqrt(there[:60_000]).mean() + np.sqrt(back).mean()) / 2
                    worst = np.sqrt(max(there.max(), back.max()))
                    print(
                        f"{name:7s} {level.tool:10s} {len(faces):7d} -> {len(level.faces):6d} {seconds:6.2f}"
                        f" {100 * mean / diagonal:18.4f} {100 * worst / diagonal:8.3f}",
                        flush=True,
                    )


def memory(count: int) -> None:
    page = resource.getpagesize()
    axis = lattice(40)
    params = FinishParams(faces=1500, lods=(500,), texture=128, turntable=2)
    camera = Camera(0, 15)
    start = time.time()
    for i in range(count):
        rng = np.random.default_rng(i)
        half = rng.uniform(0.15, 0.5, 3)
        distance = np.linalg.norm(axis / half, axis=-1) - 1 + 0.1 * np.sin(axis @ rng.uniform(3, 9, 3))
        density = (100 * np.clip(0.5 - distance * 4, 0, 1)).astype(np.float32)
        rgba = np.full((512, 512, 4), 200, np.uint8)
        rgba[..., 3] = 255
        field = Field(density, None, camera, {"isovalue": 50.0})
        cutout, views = Cutout(rgba, (0, 0, 512, 512), "alpha"), ViewSet(np.zeros((0, 64, 64, 3), np.uint8), (), camera)
        mesh = extract_mesh(field, cutout, views, MeshParams(engine="permissive" if i % 10 else "pymeshlab"))
        finish_asset(mesh, field, cutout, views, params, ABOUT)
        if i % 50 == 9 or i == count - 1:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * page / 2**20
            print(f"{i + 1:4d} meshes: {resident:.0f} MiB resident, {time.time() - start:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("products", "decimate", "memory"))
    parser.add_argument("--count", type=int)
    parser.add_argument("--fields", type=Path)
    parser.add_argument("--light", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.what == "products":
        light = FinishParams(faces=5000, lods=(1000,), texture=512, turntable=0)
        count = 20 if options.count is None else options.count
        scenes = chain(stored(options.fields) if options.fields else (), oracles(count))
        products(scenes, light if options.light else FinishParams(), options.out)
    elif options.what == "decimate":
        decimate()
    else:
        memory(options.count or 500)


if __name__ == "__main__":
    main()
