"""Signs of a weak asset that need no look at its shape: pale, blurred or uniform views, seams in the texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, ViewSet
from core.cameras import project
from core.mesh.placement import Points
from core.quality.images import mask_from_white, mask_iou, over_white, psnr

if TYPE_CHECKING:
    from core.render import Paint

PALETTE = 4
"""Steps of each colour channel in which palettes are compared."""

SOLID = 0.35
"""A pixel this far from white, relative to the object's strongest, is object; a mean of many guesses is paler."""


def view_quality(cutout: Cutout, view_set: ViewSet) -> dict[str, float]:
    """The synthesized views against the photo at their size: detail, contrast, palette, firm outlines.

    A model that is unsure answers with the mean of what it can imagine: blurred, of little contrast, fading at its
    edge, alike from all sides, in colours that the product does not have. Ratios: 1 is as in the photo.
    """
    if not len(view_set.images):
        return {}
    photo = shrunk(cutout.rgba, view_set.images.shape[1])
    picture, mask = over_white(photo), photo[..., 3] >= 128
    if not mask.any():
        return {}
    masks = [mask_from_white(image) for image in view_set.images]
    seen = [(image, m) for image, m in zip(view_set.images, masks, strict=True) if m.any()]
    if not seen:
        return dict.fromkeys(("views_detail", "views_contrast", "views_palette", "views_firmness"), 0.0)
    ours = np.concatenate([image[m] for image, m in seen])
    spread = float(np.mean([image[m].std(0).mean() for image, m in seen]))
    mean = view_set.images.astype(np.float64).mean(0)
    return {
        "views_detail": _likeness(float(np.mean([detail(image, m) for image, m in seen])), detail(picture, mask)),
        "views_contrast": _ratio(spread, float(picture[mask].std(0).mean())),
        "views_palette": float(np.minimum(palette(ours), palette(picture[mask])).sum()),
        "views_firmness": _ratio(
            float(np.mean([firmness(image, m) for image, m in seen])), firmness(picture, mask), 0.01
        ),
        "views_variety": float(np.abs(view_set.images - mean).mean() / max(float((255 - mean).mean()), 1.0)),
    }


def views_against_photo(cutout: Cutout, view_set: ViewSet, grid: int = 32) -> dict[str, float]:
    """Do the views show the photo's product? ``nearest_view_iou``: outlines of the photo and of the nearest view.

    ``views_in_outline``: share of the solid that four of five views agree on which the photo's outline allows.
    """
    if not len(view_set.images):
        return {}
    size, camera = view_set.images.shape[1], view_set.condition
    photo = shrunk(cutout.rgba, size)[..., 3] >= 128
    masks = [mask_from_white(image) for image in view_set.images]
    near = np.argmin([np.linalg.norm(view.eye() - camera.eye()) for view in view_set.cameras])
    axis = (np.arange(grid) + 0.5) / grid * 1.4 - 0.7
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    votes = np.mean(
        [_covers(mask, project(points, c, size)) for mask, c in zip(masks, view_set.cameras, strict=True)], 0
    )
    solid = points[votes >= 0.8]
    allowed = _covers(photo, project(solid, camera, size)) if len(solid) else np.zeros(1)
    return {"nearest_view_iou": mask_iou(masks[near], photo), "views_in_outline": float(allowed.mean())}


def _covers(mask: NDArray[np.bool_], pixels: Points) -> NDArray[np.bool_]:
    """Which of ``(N, 3)`` projected points fall on the mask."""
    x, y = np.rint(pixels[:, :2]).astype(np.int64).T
    inside = (x >= 0) & (x < mask.shape[1]) & (y >= 0) & (y < mask.shape[0])
    return np.asarray(inside & mask[np.where(inside, y, 0), np.where(inside, x, 0)])


def photo_difficulty(cutout: Cutout, size: int = 64) -> dict[str, float]:
    """What makes a product hard whatever the model: thin parts (``compactness`` 1 is a disc), hollows in its outline
    (``convexity``), strong contrasts, and what it costs to be ``misplaced`` by a tenth of the frame (dB).
    """
    photo = shrunk(cutout.rgba, size)
    mask = photo[..., 3] >= 128
    steps = np.count_nonzero(np.diff(mask, axis=0)) + np.count_nonzero(np.diff(mask, axis=1))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return dict.fromkeys(("compactness", "photo_contrast", "convexity", "misplaced"), 0.0)
    picture = over_white(photo)
    box = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    moved = [np.roll(picture, step, axis) for axis in (0, 1) for step in (size // 10, -(size // 10))]
    area = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    # a digital disc's outline counts 4/pi times too long
    compact = 4 * np.pi * float(mask.sum()) / max(float(steps) * np.pi / 4, 1.0) ** 2
    return {
        "compactness": min(1.0, compact),
        "photo_contrast": float(box.std((0, 1)).mean() / 255),
        "convexity": convexity(mask),
        "misplaced": float(np.mean([psnr(other, picture, area) for other in moved])),
    }


def convexity(mask: NDArray[np.bool_]) -> float:
    """Area of a mask against its convex hull's, 0..1; 0 for an empty one."""
    from scipy.spatial import ConvexHull

    corners = np.argwhere(mask)[:, None] + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    return float(mask.sum() / ConvexHull(corners.reshape(-1, 2)).volume) if len(corners) else 0.0


def texture_quality(vertices: Points, faces: NDArray[np.int64], paint: Paint) -> dict[str, float]:
    """How far colours jump where the texture's charts meet: mean difference of the two sides, 0..1."""
    if "texture" not in paint:
        return {}
    from core.render import sample_texture

    uv = np.asarray(paint["uv"], np.float64)
    step = max(float(np.ptp(vertices, axis=0).max()) * 1e-6, 1e-12)
    _, point = np.unique(np.rint(vertices / step).astype(np.int64), axis=0, return_inverse=True)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges = np.unique(edges, axis=0)
    ends = np.sort(point.reshape(-1)[edges], axis=1)
    swap = point.reshape(-1)[edges[:, 0]] != ends[:, 0]
    edges[swap] = edges[swap][:, ::-1]
    order = np.lexsort(ends.T)
    edges, ends = edges[order], ends[order]
    twin = np.flatnonzero((ends[1:] == ends[:-1]).all(1))
    if not len(twin):
        return {"seams": 0.0}
    sides = [sample_texture(paint["texture"], uv[edges[twin + i]].mean(1)) for i in (0, 1)]
    length = np.linalg.norm(vertices[edges[twin, 0]] - vertices[edges[twin, 1]], axis=1)
    jump = np.abs(sides[0].astype(np.float64) - sides[1]).mean(-1) / 255
    return {"seams": float((jump * length).sum() / max(float(length.sum()), 1e-12))}


def firmness(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Which share of an object's pixels is clearly not background, 0..1: low where it fades into the white."""
    off_white = (255 - picture.astype(np.float64)).max(-1)[mask]
    return float((off_white > SOLID * np.quantile(off_white, 0.95)).mean())


def palette(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of ``(N, 3)`` colours in a coarse cube, each colour split between its neighbouring cells."""
    place = colors.astype(np.float64) / 255 * (PALETTE - 1)
    low = np.minimum(place.astype(np.int64), PALETTE - 2)
    part = place - low
    cube = np.zeros((PALETTE,) * 3)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner) == 1, part, 1 - part), axis=1)
        np.add.at(cube, tuple((low + corner).T), weight)
    return np.asarray(cube / max(len(colors), 1))


def shrunk(rgba: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """``(H, W, 4)`` to ``(size, size, 4)`` without colours bleeding from transparent pixels."""
    from PIL import Image

    return np.asarray(Image.fromarray(rgba).convert("RGBa").resize((size, size), Image.Resampling.BOX).convert("RGBA"))


def detail(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Root mean square of the Laplacian of the grey picture inside the eroded mask: how much fine structure it has."""
    from scipy import ndimage

    inner = ndimage.binary_erosion(mask, iterations=3)
    if not inner.any():
        return 0.0
    return float(np.sqrt(np.mean(ndimage.laplace(picture.mean(-1))[inner] ** 2)))


def _likeness(value: float, reference: float) -> float:
    """1 where both are alike, falling both ways: noise is as foreign as blur."""
    ratio = _ratio(value, reference)
    return min(ratio, 1 / ratio) if ratio > 0 else 0.0


def _ratio(value: float, reference: float, least: float = 1.0) -> float:
    return float(min(2.0, value / max(reference, least)))
