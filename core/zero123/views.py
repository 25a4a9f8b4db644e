"""From a cutout to synthesized views: batched over views and objects, one seed a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.photo_set import PhotoSet
from core.progress import Progress, no_progress
from core.render.likeness import decibels
from core.reports import ElevationFound, ViewsInfo
from core.zero123.conditioning import cutout_pixels, sees_alpha
from core.zero123.model import Zero123
from core.zero123.params import ViewsParams
from core.zero123.sampling import view_seed
from core.zero123.synthesis import ViewRequest, synthesize

if TYPE_CHECKING:
    pass


def novel_views(
    model: Zero123,
    cutout: Cutout,
    elevation: float,
    targets: Sequence[Camera | tuple[float, float, float]],
    *,
    params: ViewsParams | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> NDArray[np.uint8]:
    """Pictures ``(len(targets), S, S, 3)`` of the cutout's object from other cameras.

    ``elevation`` is the photo's in degrees; targets are cameras or ``(azimuth, elevation, radius)``, azimuth 0 being
    the photo's, growing counter-clockwise seen from above; the photo stands at radius 2.
    """
    cameras = tuple(item if isinstance(item, Camera) else Camera(*item) for item in targets)
    seeds = tuple(view_seed(seed, i) for i in range(len(cameras)))
    request = ViewRequest(cutout.rgba, Camera(0.0, elevation), cameras, seeds)
    return synthesize(model, [request], params or ViewsParams(), progress)[0]


def ring_cameras(params: ViewsParams) -> tuple[Camera, ...]:
    """The target cameras that the parameters ask for, ring by ring, at the photo's radius."""
    return tuple(
        Camera((ring.start + i * 360 / ring.count) % 360, ring.elevation)
        for ring in params.rings
        for i in range(ring.count)
    )


def make_view_set(
    model: Zero123,
    cutout: Cutout,
    params: ViewsParams,
    seed: int,
    progress: Progress = no_progress,
    photos: PhotoSet | None = None,
) -> ViewSet:
    """The views stage: find the photo's elevation, then synthesize every ring camera.

    ``info`` says where the elevation came from (:func:`photo_elevation`), how sure it is, the weights. With ``photos``
    only what none of them shows is synthesized (:mod:`core.zero123.shared_views`).
    """
    if photos is not None:
        from core.zero123.shared_views import views_beside

        return views_beside(model, photos, ring_cameras(params), params, seed, progress)
    elevation, found = photo_elevation(model, cutout, params, seed, progress)
    cameras = ring_cameras(params)
    images = novel_views(model, cutout, elevation, cameras, params=params, seed=seed, progress=progress)
    weights = model.info.get("weights", "folder")
    info = ViewsInfo(model=model.name, weights=weights, seed=seed, elevation=found)
    if params.other_seed:
        again = novel_views(model, cutout, elevation, cameras[::4], params=params, seed=seed + 1, progress=progress)
        info.seed_agreement = likeness(images[::4], again)
    return ViewSet(images, cameras, Camera(0.0, elevation), info)


def likeness(views: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """PSNR in dB, at most 40, of two sets of views ``(N, S, S, 3)``, where either is off white."""
    seen = np.minimum(views, others).min(-1) < 247
    error = float(np.mean((views[seen].astype(np.float64) - others[seen]) ** 2)) if seen.any() else 0.0
    return round(min(40.0, decibels(error, 1e-6)), 3)


def photo_elevation(
    model: Zero123, cutout: Cutout, params: ViewsParams, seed: int, progress: Progress = no_progress
) -> tuple[float, ElevationFound]:
    """The photo's elevation in degrees and how it was found: ``given``, ``predicted`` (by Lift-S), ``assumed`` (with
    another lift), or ``estimated``.
    """
    if params.elevation is not None:
        return params.elevation, ElevationFound(source="given", degrees=params.elevation, confidence=1.0)
    from core.zero123.elevation import assumed_elevation, estimate_elevation

    if sees_alpha(model.lift):
        from core.zero123.lift_s import predicted_elevation

        degrees, confidence = predicted_elevation(model.lift, cutout_pixels(cutout.rgba).to(model.device))
        return degrees, ElevationFound(source="predicted", degrees=round(degrees, 3), confidence=round(confidence, 3))
    if model.lift is not None:
        assumed = assumed_elevation(params.elevation_prior)
        confidence = round(assumed.confidence, 3)
        return assumed.degrees, ElevationFound(source="assumed", degrees=assumed.degrees, confidence=confidence)
    estimate = estimate_elevation(model, cutout, params, seed, progress)
    degrees = round(estimate.degrees, 3)
    return degrees, ElevationFound(source="estimated", degrees=degrees, confidence=round(estimate.confidence, 3))
