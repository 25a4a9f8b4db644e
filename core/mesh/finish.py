"""The finish stage: levels of detail, texture, files, budgets and pictures of one asset."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Field, Mesh, ViewSet
from core.errors import BudgetExceeded, MeshFailed
from core.mesh import previews
from core.mesh.atlas import unwrap
from core.mesh.bake import PaintSources, bake, prepare
from core.mesh.budgets import Profile, find_profile
from core.mesh.decimate import Level, levels_of_detail
from core.mesh.gltf import read_glb, write_glb
from core.mesh.params import FinishParams
from core.mesh.placement import Placement, placement_of
from core.mesh.small import write_small_glb
from core.mesh.topology import inspect, vertex_normals, weld
from core.mesh.usdz import validate_usdz, write_usdz
from core.mesh.values import AssetAbout, Finished, Model
from core.mesh.verify import verify_glb
from core.photo_set import PhotoSet
from core.progress import Progress, no_progress
from core.render import render_mesh
from core.render.likeness import decibels
from core.reports import FinishReport, FrontReport, LevelReport, TextureReport


def finish_asset(
    mesh: Mesh,
    field: Field,
    cutout: Cutout,
    view_set: ViewSet,
    params: FinishParams,
    about: AssetAbout,
    progress: Progress = no_progress,
    photo: NDArray[np.uint8] | None = None,
    photos: PhotoSet | None = None,
) -> Finished:
    """Everything a shop publishes of one asset.

    Files: ``model.glb``, ``lod1.glb`` ..., ``small.glb``, ``model.usdz``, ``hero.png``, ``contact.png``,
    ``turntable.webp``. ``photo (h, w, 4)`` is only shown. The texture is baked from all of
    ``photos``, where several are given. ``mesh.info.engine`` says which tools may decimate.
    ``report.placement``: a GLB's position is ``(v + offset) * scale`` of the field's world, ``v`` turned about +Y
    first where ``turn`` is given; ``report.texture``: where ``model.glb``'s texels came from, ``unseen`` being the
    share that no picture shows; ``report.confidence``: how much the reconstruction believes its shape, where it says
    so. Equal inputs give equal bytes. Raises
    :class:`MeshFailed` when no closed textured mesh comes out, :class:`BudgetExceeded` when the profile cannot be
    met, :class:`core.errors.InvalidRecipe` for an unknown profile.
    """
    profile = find_profile(params.profile)
    faces, texture = _aims(params, profile)
    steps = iter(range(1, 100))
    total = 4 + len(params.lods) + params.small + params.usdz

    def step(name: str, **figures: Any) -> None:
        progress(name, next(steps), total, **figures)

    budgets = [faces, *(lod for lod in params.lods if lod < faces)]
    levels = levels_of_detail(mesh.vertices, mesh.faces, budgets, mesh.info.engine)
    step("decimate", faces=len(levels[0].faces))
    placed = placement_of(levels[0].vertices, about)
    pictures = prepare(cutout, view_set, field, levels[0].vertices, levels[0].faces, photos)
    files: dict[str, bytes] = {}
    made = {level.budget for level in levels}
    # Holes cost faces: an object with a hundred of them has no sound thousand-face version.
    left_out = [budget for budget in budgets if budget not in made]
    report = FinishReport(placement=placed.report(), levels_left_out=left_out, profile=params.profile)
    described: dict[str, LevelReport] = {}
    for i, level in enumerate(levels):
        name = "model.glb" if i == 0 else f"lod{i}.glb"
        size = max(64, texture >> i)
        model, baked = texture_level(level, pictures, field, size, params, placed)
        files[name] = _fitted(model, size, params, profile, about) if i == 0 else _glb(model, about)
        described[name] = _describe(level, files[name])
        if i == 0:  # the published model's; the lighter levels repeat it
            report.texture = baked
        step(name, bytes=len(files[name]))

    final = read_glb(files["model.glb"])
    if params.small:
        files["small.glb"] = write_small_glb(final, about.sku, about.copyright, _extras(about))
        step("small.glb", bytes=len(files["small.glb"]))
    if params.usdz:
        files["model.usdz"] = write_usdz(final, about.sku, about.copyright, _extras(about))
        if faults := validate_usdz(files["model.usdz"]):
            raise MeshFailed(f"USD's validators refuse the USDZ: {'; '.join(faults)[:300]}.")
        step("model.usdz", bytes=len(files["model.usdz"]))
    files["hero.png"] = previews.hero(final)
    files["contact.png"] = previews.contact_sheet(final, cutout, view_set, photo)
    step("pictures")
    if params.turntable:
        files["turntable.webp"] = previews.turntable(final, params.turntable)
    step("turntable")
    if "confidence" in field.info:
        report.confidence = field.info["confidence"]
    report.levels = described
    report.front = _front(final, placed, field, cutout)
    report.verification = verify_glb(files["model.glb"], params.profile).report()
    report.bytes = {name: len(data) for name, data in files.items()}
    report.size_m = [round(float(x), 4) for x in np.ptp(final.vertices, axis=0)]
    report.size_known = about.known_side is not None
    report.faces = len(final.faces)
    return Finished(files, report)


def texture_level(
    level: Level,
    pictures: PaintSources,
    field: Field,
    size: int,
    params: FinishParams,
    placed: Placement,
) -> tuple[Model, TextureReport]:
    """One level unwrapped, baked and moved to its place in the shop."""
    atlas = unwrap(level.vertices, level.faces, size)
    texture, report = bake(level.vertices, level.faces, atlas, pictures, field, size, params.delight)
    positions = placed.place(level.vertices).astype(np.float32)
    normals = placed.turned(vertex_normals(level.vertices, level.faces)).astype(np.float32)
    model = Model(
        positions[atlas.origin],
        normals[atlas.origin],
        atlas.faces,
        atlas.uv.astype(np.float32),
        encode_jpeg(texture, params.jpeg_quality),
    )
    return model, report


def encode_jpeg(texture: NDArray[np.uint8], quality: int) -> bytes:
    """Baseline JPEG bytes of ``(h, w, 3)``, colour at half resolution."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(texture).save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()


def _aims(params: FinishParams, profile: Profile) -> tuple[int, int]:
    """Faces and texels to aim for: the recipe's wish within the profile's limits."""
    faces = min(params.faces, profile.max_triangles or params.faces)
    texture = min(params.texture, profile.max_texture or params.texture)
    return faces, max(texture, profile.min_texture or 0)


def _glb(model: Model, about: AssetAbout) -> bytes:
    return write_glb(model, about.sku, about.copyright, _extras(about))


def _fitted(model: Model, size: int, params: FinishParams, profile: Profile, about: AssetAbout) -> bytes:
    """The GLB within the profile's bytes: a lower JPEG quality first, then a smaller texture.

    Raises :class:`BudgetExceeded` with what is still too much.
    """
    from PIL import Image

    data = _glb(model, about)
    texels = model.texels()
    assert texels is not None
    attempts = [(size, quality) for quality in (80, 70) if quality < params.jpeg_quality]
    attempts += [(size >> i, 70) for i in (1, 2) if size >> i >= max(64, profile.min_texture or 0)]
    for edge, quality in attempts:
        if profile.max_bytes is None or len(data) <= profile.max_bytes:
            break
        smaller = Image.fromarray(texels).resize((edge, edge), Image.Resampling.BOX)
        data = _glb(replace(model, texture=encode_jpeg(np.asarray(smaller), quality)), about)
    verification = verify_glb(data, params.profile)
    if not verification.passed:
        wrong = "; ".join(f"{c.name} is {c.found}, wanted {c.wanted}" for c in verification.failures)
        raise BudgetExceeded(f"The file cannot meet the profile {params.profile}: {wrong}.")
    return data


def _describe(level: Level, data: bytes) -> LevelReport:
    """What a level is, judged by the bytes that were written."""
    written = read_glb(data)
    state = inspect(*weld(written.vertices, written.faces))
    if not state.sound:
        raise MeshFailed(f"The level of {level.budget} faces is not closed once it is written.")
    return LevelReport(
        budget=level.budget,
        faces=len(written.faces),
        vertices=len(written.vertices),
        tool=level.tool,
        notes=list(level.notes),
        topology=state,
        bytes=len(data),
    )


def _front(final: Model, placed: Placement, field: Field, cutout: Cutout) -> FrontReport:
    """The finished model from the photo's camera against the photo: silhouette IoU, PSNR inside both masks."""
    world = placed.back(final.vertices.astype(np.float64))
    size = cutout.rgba.shape[0]
    render = render_mesh(
        world, final.faces, field.camera, size, uv=final.uv, texture=final.texels(), supersample=2, cull=True
    )
    ours, photo = render.alpha > 127, cutout.rgba[..., 3] > 127
    both = ours & photo
    iou = float(both.sum() / max((ours | photo).sum(), 1))
    error = np.mean((render.rgb[both].astype(np.float64) - cutout.rgba[both][:, :3]) ** 2) if both.any() else 255.0**2
    return FrontReport(iou=round(iou, 4), psnr=round(decibels(float(error), 1e-3), 2))


def _extras(about: AssetAbout) -> dict[str, Any]:
    """What the file says about its origin."""
    known, azimuth = about.known_side, about.azimuth
    return {
        "sku": about.sku,
        "asset_id": about.asset_id,
        "recipe_hash": about.recipe_hash,
        "checkpoint": about.checkpoint,
        "checkpoint_licence": about.checkpoint_licence,
        **({"photos": about.photos} if about.photos > 1 else {}),
        **({"front": f"known: the photo was taken from {azimuth:g} degrees"} if azimuth is not None else {}),
        "size": f"real: {known.centimetres:g} cm {known.name}" if known else "unknown: the longest side is one unit",
    }
