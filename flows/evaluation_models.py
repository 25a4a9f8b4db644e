"""The real stages behind an evaluation: a recipe's weights, loaded once, as the functions that the protocol calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.artifacts import Cutout, Photo
from core.errors import MeshmillError
from core.photo_set import PhotoSet
from core.placing.align import PhotoToPlace, Placement, align
from core.progress import Progress, no_progress
from core.recipes import Recipe
from evaluation.records import AssetFacts, WeightsUsed
from evaluation.values import BuiltAsset, Models


def load_models(
    recipe: Recipe, stages: tuple[str, ...], masks: tuple[str, ...] = ("exact",), *, device: str = "auto"
) -> Models:
    """Load what the stages need. Raises :class:`core.errors.CheckpointError` where the view model is not there.

    A missing segmentation model is no error: its figures are then null.
    """
    from core.segment import segment
    from tasks.models import resolve_segmenter, resolve_views
    from tasks.settings import read_settings
    from tasks.stages import STAGE

    settings = read_settings()
    registered = _registered(settings)
    views: Any = None
    views_used = WeightsUsed()
    if "views" in stages or "shape" in stages:
        from core.zero123 import load_model

        weights = resolve_views(settings, recipe.views.checkpoint, registered)
        views = load_model(Path(weights.path), _device(device))
        views_used = WeightsUsed(name=weights.name, sha256=weights.sha256, licence=weights.licence)
    segmenter: Any = None
    segmenter_used = None
    if "segmentation" in stages or len(masks) > 1:
        from core.segment import load_segmenter

        try:
            weights = resolve_segmenter(settings, recipe.segment.model, registered)
            segmenter = load_segmenter(weights.path)
            segmenter_used = WeightsUsed(name=weights.name, sha256=weights.sha256, licence=weights.licence)
        except MeshmillError as error:
            segmenter_used = WeightsUsed(missing=str(error))

    def cut_by_alpha(photo: Photo) -> Cutout:
        return segment(photo, recipe.segment.model_copy(update={"use_alpha": True}), segmenter=segmenter)

    def cut(photo: Photo) -> Cutout:
        return segment(photo, recipe.segment.model_copy(update={"use_alpha": False}), segmenter=segmenter)

    def novel(cutout: Cutout, elevation: float, targets: Any, seed: int) -> Any:
        from core.zero123 import novel_views

        return novel_views(views, cutout, elevation, targets, params=recipe.views, seed=seed)

    def build(
        cutout: Cutout,
        elevation: float | None,
        recipe: Recipe,
        progress: Progress,
        shots: Sequence[PhotoToPlace] = (),
        size: tuple[int, int] | None = None,
    ) -> Any:
        return build_asset(views, cutout, elevation, recipe, progress, shots, size)

    return Models(
        novel_views=novel if views is not None else None,
        build=build if views is not None else None,
        segment=cut if segmenter is not None else None,
        cut_by_alpha=cut_by_alpha,
        checkpoint=views_used,
        segmenter=segmenter_used,
        stages={stage.name: stage.version for stage in STAGE.values()},
    )


def build_asset(
    model: Any,
    cutout: Cutout,
    elevation: float | None,
    recipe: Recipe,
    progress: Progress = no_progress,
    shots: Sequence[PhotoToPlace] = (),
    size: tuple[int, int] | None = None,
) -> BuiltAsset:
    """Cutout, and further photos, to finished asset through the factory's own stages.

    ``size``: the first photo's width and height in pixels.
    """
    import time

    from core.cameras import Camera
    from core.mesh import AssetAbout, extract_mesh, finish_asset, verify_glb
    from core.quality import assess
    from core.quality.measurement import opened, picture_of
    from core.sjc import reconstruct
    from core.zero123 import make_view_set

    began = time.process_time()
    params = recipe.views if elevation is None else recipe.views.model_copy(update={"elevation": elevation})
    photos: PhotoSet | None = None
    placements: list[Placement] = []
    if shots:
        main = PhotoToPlace(cutout, "photo", 0.0, None, "main", size)
        together, placements = align(model, [main, *shots], params, recipe.seed, progress)
        if together.used > 1:
            photos, cutout = together, together.main.framed()
    shaping = None if photos is None else photos.shaping
    view_set = make_view_set(model, cutout, params, recipe.seed, progress, shaping)
    before = time.process_time()
    field = reconstruct(model, cutout, view_set, recipe.reconstruct, recipe.seed, progress=progress, photos=shaping)
    reconstruct_seconds = time.process_time() - before
    mesh = extract_mesh(field, cutout, view_set, recipe.mesh, shaping)
    # The GLB itself is the factory's; only the files beside it, which nothing here looks at, are left out.
    only_glb = recipe.finish.model_copy(update={"lods": (), "small": False, "usdz": False, "turntable": 0})
    about = AssetAbout("evaluation", "evaluation", "", "", "")
    finished = finish_asset(mesh, field, cutout, view_set, only_glb, about, progress, photos=photos)
    glb = finished.files["model.glb"]
    judged = assess(cutout, view_set, glb, finished.report, recipe.quality, shaping)
    seconds = time.process_time() - began
    world, faces, paint = opened(cutout, view_set.condition, glb, finished.report)

    def look(cameras: Sequence[Camera], size: int) -> list[Any]:
        return [picture_of(world, faces, camera, size, paint)[0] for camera in cameras]

    facts = AssetFacts(
        cpu_seconds=round(seconds, 2),
        reconstruct_cpu_seconds=round(reconstruct_seconds, 2),
        valid=float(verify_glb(glb, recipe.finish.profile).passed),
        score=judged.score,
        verdict=judged.verdict,
        reasons=[str(reason) for reason in judged.reasons],
        elevation=view_set.condition.elevation,
        gate=dict(judged.metrics),
        used=1 if photos is None else photos.used,
        placements=placements,
    )
    return BuiltAsset(glb, facts, look([Camera(azimuth, 20) for azimuth in (0, 90, 180, 270)], 192), look)


def _registered(settings: Any) -> Any:
    """The checkpoint table where a database exists; nobody is asked to create one for an evaluation."""
    from db.engine import open_engine
    from db.urls import is_file
    from tasks.models import registered_in

    url = settings.database
    if is_file(url) and not Path(url.database or "").is_file():
        return lambda name, kind: None
    return registered_in(open_engine(url))


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
