"""Finishing, measured: procedural products through mesh and finish, decimation of 200k faces, memory over many meshes.

python bench/finish.py products [--count 20] [--first 0] [--fields DIR] [--light] [--out DIR]
    every check that a published file must pass, the front against the photo, bytes, CPU seconds; of procedural products
    and of the fields in DIR/*/{cutout,views,field} (artifacts of a run); --light: 5k faces, 512² instead of 20k, 1024²
python bench/finish.py browser --out DIR                     draw all of DIR/*/model.glb with three.js, one browser
python bench/finish.py exact [--count 20] [--first 0]        the front against the photo where the geometry is exact
python bench/finish.py scans --objects DIR                   the same of scans and their photos, de-lit and not
python bench/finish.py decimate                              200k faces to 20k, 5k, 1k: error in % of the diagonal
python bench/finish.py peak                                  CPU and memory of the finish and the segment stage, each in
                                                             its own process, with photos of up to 12000 x 12000
python bench/finish.py memory [--count 500]                  resident memory while meshes go through
"""

from __future__ import annotations

import argparse
import io
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the viewers are the tests' own

from core.artifacts import Cutout, Field, Mesh, ViewSet
from core.cameras import Camera
from core.errors import MeshmillError
from core.memory import peak_memory
from core.mesh import AssetAbout, Finished, FinishParams, MeshParams, extract_mesh, finish_asset
from core.mesh.decimate import levels_of_detail
from core.mesh.placement import Placement
from core.mesh.surface import marching_cubes, solid
from core.mesh.topology import vertex_normals
from core.render import over, render_mesh
from core.reports import MeshInfo

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


def product(seed: int, n: int = 80) -> tuple[Field, Cutout, ViewSet, Mesh]:
    """An oracle field of a procedural product, exact pictures, unlit, and the mesh that they show."""
    import torch

    from training.procedural import generate_objects, signed_distance, to_mesh

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
    return Field(density, None, camera, {"isovalue": 50.0}), cutout, ViewSet(views, cameras, camera), mesh


Scene = tuple[str, Field, Cutout, ViewSet, int | None]


def oracles(seeds: range) -> Iterator[Scene]:
    """Procedural products with exact pictures, and how many parts each has."""
    from core.mesh.topology import face_components

    for seed in seeds:
        *scene, mesh = product(seed)
        yield (str(seed), *scene, int(face_components(mesh.faces).max()) + 1)  # type: ignore[misc]


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
    published = 0
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
        published += 1
        first, size = result.report.levels["model.glb"], result.report.bytes
        front, left_out = result.report.front, result.report.levels_left_out
        print(
            f"{name:>5s} {first.faces:6d} {first.topology.components:5d} ({parts})"
            f" {front.psnr:12.1f} {front.iou:.3f}"
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
    peak = peak_memory() / 2**20
    print(f"{published} published, with faults: {failed or 'none'}; peak memory {peak:.0f} MiB (with torch)")


def file_faults(result: Finished, khronos: Path) -> list[str]:
    """What is wrong with the files of one asset: topology, the Khronos validator, trimesh."""
    import trimesh

    from tests.core.mesh.viewers import khronos_issues

    levels = result.report.levels
    glbs = {file: data for file, data in result.files.items() if file.endswith(".glb")}
    faults = [f"{file} is not closed" for file, level in levels.items() if not level.topology.sound]
    for file, issues in zip(glbs, khronos_issues(khronos, *glbs.values()), strict=True):
        counts = [issues[kind] for kind in ("numErrors", "numWarnings", "numHints")]
        faults += [f"{file}: validator {counts}"] if any(counts) else []
    for file, level in levels.items():
        loaded = trimesh.load(io.BytesIO(glbs[file]), file_type="glb", force="mesh")
        faults += [f"{file}: trimesh"] if len(loaded.faces) != level.faces else []
    return faults


def in_browser(folder: Path) -> None:
    """Draw every model with three.js, one after the other in one page of one browser."""
    from tests.core.mesh.viewers import drawn_share, three_js

    paths = sorted(folder.glob("*/model.glb"))
    wrong = []
    with tempfile.TemporaryDirectory(prefix="meshmill-") as profile, three_js(Path(profile, "chromium")) as draw:
        for path in paths:
            try:
                share = drawn_share(draw(path.read_bytes()))
            except TimeoutError as error:
                share = 0.0
                print(f"{path.parent.name}: {error}", flush=True)
            wrong += [] if 0.02 < share < 0.95 else [path.parent.name]
            print(f"{path.parent.name}: three.js drew on {share:.1%} of the picture", flush=True)
    print(f"{len(paths)} files, wrong: {wrong or 'none'}")


def exact(seeds: range) -> None:
    """No field in between: the mesh that was photographed is finished, as it is and decimated to 20k faces."""
    print("seed faces: front PSNR IoU | at most 20k faces: PSNR IoU")
    for seed in seeds:
        field, cutout, views, truth = product(seed)
        mesh = Mesh(truth.vertices, truth.faces, None, MeshInfo())
        line = f"{seed:3d} {len(truth.faces):6d}:"
        for faces in (500_000, 20_000):
            params = FinishParams(faces=faces, lods=(), turntable=0, small=False, usdz=False, profile="shopify")
            front = finish_asset(mesh, field, cutout, views, params, ABOUT).report.front
            line += f" {front.psnr:6.1f} {front.iou:.4f}"
        print(line, flush=True)


def scans(folder: Path) -> None:
    """Scans as closed surfaces, their photos with exact masks, and all true views that look from elsewhere."""
    import igl
    import trimesh
    from PIL import Image

    from core.mesh import read_glb
    from evaluation.folder import list_objects, read_object

    n, half = 128, 0.6
    params = FinishParams(lods=(), turntable=0, small=False, usdz=False)
    print("object: front PSNR IoU, PSNR to the scan's own colours (one gain) | the same without de-lighting")
    for name in list_objects(folder):
        item = read_object(folder, name)
        vertices, faces = item.truth
        sign = igl.SIGNED_DISTANCE_TYPE_FAST_WINDING_NUMBER
        distance = igl.signed_distance(half * lattice(n).reshape(-1, 3).astype(float), vertices, faces, sign)[0]
        density = 100 * np.clip(0.5 - distance.reshape(n, n, n) / half * n / 4, 0, 1)
        surface, triangles = marching_cubes(solid(density.astype(np.float32), 50, 0))
        mesh = Mesh(half * surface, triangles, None, MeshInfo())

        look = trimesh.load(folder / name / "model.glb", force="mesh", process=False).visual
        texture, uv = np.asarray(look.material.baseColorTexture.convert("RGB")), np.abs(look.uv - [0, 1])
        own = render_mesh(vertices, faces, item.camera, 512, uv=uv, texture=texture, supersample=2)
        rgba = np.asarray(Image.open(io.BytesIO(item.photo)))
        field = Field(np.zeros((8, 8, 8), np.float32), None, item.camera, {})
        far = [view for view in item.views if np.cos(np.radians(view.camera.azimuth - item.camera.azimuth)) < 0.5]
        images = np.array([over(view.rgba[..., :3], view.rgba[..., 3]) for view in far])
        views = ViewSet(images, tuple(view.camera for view in far), item.camera)
        line = f"{name}:"
        for delight in (params.delight, 0):
            wish = params.model_copy(update={"delight": delight})
            result = finish_asset(mesh, field, Cutout(rgba, (0, 0, 512, 512), "alpha"), views, wish, ABOUT)
            model, place = read_glb(result.files["model.glb"]), Placement.from_report(result.report)
            assert place is not None
            world = place.back(model.vertices)
            ours = render_mesh(world, model.faces, item.camera, 512, uv=model.uv, texture=model.texels(), supersample=2)
            both = (ours.alpha > 127) & (own.alpha > 127)
            x, y = ours.rgb[both].astype(float), own.rgb[both].astype(float)
            error = np.mean((np.clip(x * ((x * y).sum() / (x * x).sum()), 0, 255) - y) ** 2)
            front = result.report.front
            line += f" {front.psnr:6.1f} {front.iou:.3f} {10 * np.log10(255**2 / error):6.2f} |"
        print(line, flush=True)


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

    from tests.core.mesh import mesh_solids

    # Filling its box: a fifth of the voxels, and of the memory, gives the same faces.
    shapes: dict[str, tuple[Callable[..., np.ndarray], float, int]] = {
        "torus": (mesh_solids.torus, 0.52, 210),
        "chair": (mesh_solids.chair, 0.59, 290),
        "drilled": (mesh_solids.drilled, 0.5, 170),
    }
    print("shape   engine      faces      CPU s (to 20k)  mean %  Hausdorff %  normals off by degrees: mean 95 %")
    for name, (shape, scale, n) in shapes.items():
        axis = scale * (-1 + (np.arange(n, dtype=np.float32) + 0.5) * 2 / n)
        x, y = np.meshgrid(axis, axis)
        # Layer by layer: all coordinates at once would be a gigabyte.
        distance = np.stack([shape(x, y, np.full_like(x, z)) for z in axis]).astype(np.float32) / scale
        vertices, faces = marching_cubes(solid(100 * np.clip(0.5 - distance * n / 4, 0, 1), 50, 0.65))
        diagonal = np.linalg.norm(np.ptp(vertices, axis=0))
        for engine in ("pymeshlab", "permissive"):
            start = cpu_seconds()
            levels_of_detail(vertices, faces, [20_000], engine)
            seconds = cpu_seconds() - start
            for level in levels_of_detail(vertices, faces, [20_000, 5000, 1000], engine):
                there = igl.point_mesh_squared_distance(
                    np.concatenate([samples(vertices, faces), vertices]), level.vertices, level.faces
                )[0]
                back = igl.point_mesh_squared_distance(samples(level.vertices, level.faces), vertices, faces)[0]
                mean = (np.sqrt(there[:60_000]).mean() + np.sqrt(back).mean()) / 2
                worst = np.sqrt(max(there.max(), back.max()))
                print(
                    f"{name:7s} {level.tool:10s} {len(faces):7d} -> {len(level.faces):6d} {seconds:6.2f}"
                    f" {100 * mean / diagonal:18.4f} {100 * worst / diagonal:8.3f}"
                    f" {'{:12.2f} {:6.2f}'.format(*shading(vertices, faces, level.vertices, level.faces))}",
                    flush=True,
                )


def shading(*parts: np.ndarray) -> tuple[float, float]:
    """Angles between the normals that pictures of two meshes show: mean and 95 %."""
    angles = []
    for camera in (Camera(25, 20), Camera(130, 40), Camera(250, -20)):
        pictures = [
            render_mesh(vertices, faces, camera, 384, normals=vertex_normals(vertices, faces), cull=True)
            for vertices, faces in (parts[:2], parts[2:])
        ]
        both = (pictures[0].faces >= 0) & (pictures[1].faces >= 0)
        cosine = (pictures[0].normals[both] * pictures[1].normals[both]).sum(-1)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    joined = np.concatenate(angles)
    return float(joined.mean()), float(np.percentile(joined, 95))


def computed(stage: str, inputs: dict[str, bytes], models: dict[str, str]) -> tuple[dict[str, bytes], str]:
    """A stage as a worker process computes it, in a fresh one: its files, and what it took."""
    from tasks.compute import compute
    from tasks.worker import StageCall

    about = vars(ABOUT) if stage == "finish" else {}
    try:
        files = compute(StageCall(stage, inputs, {}, models=models, about=about), lambda *_, **__: None).files
    except MeshmillError as error:
        return {}, str(error)
    return files, f"{peak_memory() / 2**20:.0f} MiB at most, {cpu_seconds():.1f} CPU s with imports"


def peak() -> None:
    """The bench itself holds torch and a drawn photo: only what the stages' own processes take counts."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from PIL import Image

    def alone(stage: str, inputs: dict[str, bytes]) -> tuple[dict[str, bytes], str]:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(computed, stage, inputs, {"segmenter": "models/segmenter/starter.onnx"}).result()

    *scene, truth = product(5)
    mesh = Mesh(truth.vertices, truth.faces, None, MeshInfo())
    inputs = {"mesh": mesh.to_bytes(), **{name: a.to_bytes() for (_, name), a in zip(KINDS, scene, strict=True)}}
    picture = Image.fromarray(over(scene[1].rgba[..., :3], scene[1].rgba[..., 3]))
    for edge, kind in ((512, "PNG"), (8900, "PNG"), (8900, "JPEG"), (12_000, "PNG"), (12_000, "JPEG")):
        file = io.BytesIO()
        picture.resize((edge, edge)).save(file, kind, compress_level=1)
        made, took = alone("segment", {"photo": file.getvalue()})
        print(f"{edge}² {kind}, segment: {took}", flush=True)
        if made:
            files, took = alone("finish", inputs | {"thumbnail.png": made["thumbnail.png"]})
            full, small = (len(files[f"{name}.glb"]) for name in ("model", "small"))
            print(f"{edge}² {kind}, finish: {took}; GLB {full / 1e3:.0f} KB, small {small / full:.0%}", flush=True)


def memory(count: int) -> None:
    """The whole path at its smallest sizes: 500 meshes at full size would take two hours of a core."""
    from core.mesh import previews

    full = previews.picture

    def coarse(model: Any, camera: Any, size: int, **more: Any) -> Any:
        return full(model, camera, size // 8, **more).repeat(8, 0).repeat(8, 1)

    patch.object(previews, "picture", coarse).start()
    page = resource.getpagesize()
    axis = lattice(32)
    params = FinishParams(faces=1200, lods=(400,), texture=64, turntable=2)
    camera = Camera(0, 15)
    for i in range(count):
        rng = np.random.default_rng(i)
        half = rng.uniform(0.2, 0.55, 3)
        distance = np.linalg.norm(axis / half, axis=-1) - 1 + 0.1 * np.sin(axis @ rng.uniform(3, 9, 3))
        density = (100 * np.clip(0.5 - distance * 4, 0, 1)).astype(np.float32)
        rgba = np.full((128, 128, 4), 200, np.uint8)
        rgba[..., 3] = 255
        field = Field(density, None, camera, {"isovalue": 50.0})
        views = ViewSet(rng.integers(0, 200, (2, 64, 64, 3), np.uint8), (Camera(90, 15), Camera(180, 15)), camera)
        cutout = Cutout(rgba, (0, 0, 128, 128), "alpha")
        mesh = extract_mesh(field, cutout, views, MeshParams(engine="permissive" if i % 10 else "pymeshlab"))
        finish_asset(mesh, field, cutout, views, params, ABOUT)
        if i + 1 in (1, 10) or (i + 1) % 50 == 0:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * page / 2**20
            print(f"{i + 1:4d} meshes: {resident:.0f} MiB resident, {cpu_seconds():.0f} CPU s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("products", "browser", "exact", "scans", "decimate", "peak", "memory"))
    parser.add_argument("--count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--fields", type=Path)
    parser.add_argument("--objects", type=Path)
    parser.add_argument("--light", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    seeds = range(options.first, options.first + (20 if options.count is None else options.count))
    if options.what == "products":
        light = {"faces": 5000, "lods": (1000,), "texture": 512, "turntable": 0} if options.light else {}
        scenes = chain(stored(options.fields) if options.fields else (), oracles(seeds))
        products(scenes, FinishParams.model_validate(light), options.out)
        return
    others: dict[str, Callable[[], None]] = {"browser": lambda: in_browser(options.out), "exact": lambda: exact(seeds)}
    others |= {"scans": lambda: scans(options.objects), "decimate": decimate, "peak": peak}
    others |= {"memory": lambda: memory(options.count or 500)}
    others[options.what]()


if __name__ == "__main__":
    main()
