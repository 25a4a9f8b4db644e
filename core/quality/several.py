"""Several photos as evidence: the asset is judged by what the further photos show, not by what a model synthesized."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.artifacts import ViewSet
from core.photo_set import PhotoSet
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


def photos_as_views(photos: PhotoSet, view_set: ViewSet) -> ViewSet:
    """The further photos over white, as large as the synthesized views, from where they were taken."""
    from PIL import Image

    size = view_set.images.shape[1]
    pictures = []
    for photo in photos.photos[1:]:
        over = Image.fromarray(over_white(photo.framed().rgba))
        pictures.append(np.asarray(over.resize((size, size), Image.Resampling.BOX)))
    return replace(view_set, images=np.stack(pictures), cameras=tuple(p.camera for p in photos.photos[1:]))
