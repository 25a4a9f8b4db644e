"""Views beside several photos: only where none of them looks, each from the nearest one, in the common frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.artifacts import ViewSet
from core.cameras import Camera
from core.photo_set import PhotoSet, Place
from core.progress import Progress, no_progress
from core.reports import ViewsInfo
from core.zero123.params import ViewsParams
from core.zero123.sampling import view_seed
from core.zero123.synthesis import ViewRequest, synthesize

if TYPE_CHECKING:
    from core.zero123.model import Zero123

COVERED = 40.0
"""Degrees around a photo's camera in which no view is synthesized: the photo knows better."""


def views_beside(
    model: Zero123,
    photos: PhotoSet,
    cameras: Sequence[Camera],
    params: ViewsParams,
    seed: int,
    progress: Progress = no_progress,
) -> ViewSet:
    """Those of ``cameras`` that no photo is near, each view conditioned on the photo that is nearest."""
    main = photos.main.camera
    cameras = [replace(camera, radius=main.radius, fov=main.fov) for camera in cameras]
    wanted = [(i, camera) for i, camera in enumerate(cameras) if _nearest(photos, camera)[0] > COVERED]
    requests, order = [], []
    for number, photo in enumerate(photos.photos):
        own = [(i, camera) for i, camera in wanted if _nearest(photos, camera)[1] == number]
        if own:
            seeds = tuple(view_seed(seed, i) for i, _ in own)
            requests.append(ViewRequest(photo.cutout.rgba, photo.camera, tuple(camera for _, camera in own), seeds))
            order.append((photo.place, own))
    images: dict[int, NDArray[np.uint8]] = {}
    made = synthesize(model, requests, params, progress) if requests else []
    for pictures, (place, own) in zip(made, order, strict=True):
        images |= {i: _in_common_frame(picture, place) for picture, (i, _) in zip(pictures, own, strict=True)}
    info = ViewsInfo(
        model=model.name,
        weights=model.info.get("weights", "folder"),
        seed=seed,
        elevation=photos.elevation,
        photos=len(photos.photos),
    )
    size = model.image_size
    together = np.stack([images[i] for i, _ in wanted]) if wanted else np.empty((0, size, size, 3), np.uint8)
    return ViewSet(together, tuple(camera for _, camera in wanted), photos.main.camera, info)


def _nearest(photos: PhotoSet, camera: Camera) -> tuple[float, int]:
    """Degrees to the nearest photo's camera, and its number."""
    towards = camera.eye() / camera.radius
    angles = [
        float(np.degrees(np.arccos(np.clip(towards @ p.camera.eye() / p.camera.radius, -1, 1)))) for p in photos.photos
    ]
    return min((angle, number) for number, angle in enumerate(angles))


def _in_common_frame(picture: NDArray[np.uint8], place: Place) -> NDArray[np.uint8]:
    """A view ``(S, S, 3)`` made from a photo's own cutout, as large as the common frame shows the product."""
    if place.zoom == 1:
        return picture
    from PIL import Image

    size, zoom = picture.shape[0], place.zoom
    shift = size / 2 * (1 - zoom)
    coefficients = (zoom, 0, shift, 0, zoom, shift)
    image = Image.fromarray(picture)
    affine, cubic = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    return np.asarray(image.transform((size, size), affine, coefficients, cubic, fillcolor=(255, 255, 255)))
