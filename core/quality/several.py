"""Several photos as evidence: the asset is judged by what the further photos show, not by what a model synthesized."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.artifacts import ViewSet
from core.photo_set import PhotoSet
from core.placing.align import MISFIT
from core.quality.images import over_white

OF_SYNTHESIZED = frozenset(
    {
        "views_palette",
        "views_variety",
        "views_firmness",
        "views_detail",
        "views_contrast",
        "views_in_outline",
        "nearest_view_iou",
    }
)
"""Metrics that ask whether views were drawn well: a photo's back may well have other colours than its front."""


BACK = 60.0
"""Degrees from straight behind within which a photo shows the back: a bottle may look alike from there."""


def not_asked(photos: PhotoSet) -> frozenset[str]:
    """Metrics that say nothing of an asset from these photos: those of drawn views, and where a photo shows the back,
    whether it copies the front."""
    behind = any(abs(photo.camera.azimuth % 360 - 180) <= BACK for photo in photos.photos[1:])
    return OF_SYNTHESIZED | {"back_copy"} if behind else OF_SYNTHESIZED


def of_photos(photos: PhotoSet) -> dict[str, float]:
    """``photos``: how many there are. ``pose_confidence``: how well the worst outline fits the others', 0..1."""
    slack = max(photo.place.slack for photo in photos.photos)
    return {"photos": float(len(photos.photos)), "pose_confidence": max(0.0, 1 - slack / MISFIT)}


def photos_as_views(photos: PhotoSet, view_set: ViewSet) -> ViewSet:
    """The further photos over white, as large as the synthesized views, from where they were taken."""
    from PIL import Image

    size = view_set.images.shape[1]
    pictures = []
    for photo in photos.photos[1:]:
        over = Image.fromarray(over_white(photo.framed().rgba))
        pictures.append(np.asarray(over.resize((size, size), Image.Resampling.BOX)))
    return replace(view_set, images=np.stack(pictures), cameras=tuple(p.camera for p in photos.photos[1:]))
