"""What the gate measures of an asset: its re-render against the photo and the views, its mask, its geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.errors import MeshFailed
from core.mesh.placement import Placement, Points
from core.quality.features import detail, photo_difficulty, shrunk, texture_quality, view_quality, views_against_photo
from core.quality.images import mask_from_white, mask_iou, object_box, over_white, psnr
from core.quality.tips import thin_tips
from core.reports import FinishReport

if TYPE_CHECKING:
    from core.render import Paint

INPUT_SIZE = 256
"""Pixels a side of the re-render from the photo's camera."""

RIM = 3
"""Pixels of it by which an outline may be off before something is missing."""

PATTERN = (2, 16)
"""Blurs in pixels of it between which patterns are compared."""

HOLE_SIZE = 96
"""Pixels a side of the pictures in which holes through the model are looked for."""

CONFIDENCE = {
    "shape": "shape_confidence",
    "left_out_outline": "left_out_outline",
    "worst_left_out": "worst_left_out",
    "left_out_colours": "left_out_colours",
}
"""What the reconstruction says of its shape (:mod:`core.sjc.confidence`), and the metrics that it becomes."""

PSNR_CAP = 40.0
"""Above this a picture is as good as equal, dB."""


class UnreadableGlb(MeshFailed):
    """The GLB does not read, or has nothing to look at. Whatever else fails in here is a bug, and ours."""


def measure(cutout: Cutout, view_set: ViewSet, glb: bytes, report: FinishReport) -> dict[str, float]:
    """All metrics by name; those that need data which is not there (no views, no unseen share) are left out.

    Raises :class:`UnreadableGlb` where the GLB is unreadable or has no surface.
    """
    world, faces, paint = opened(cutout, view_set.condition, glb, report)
    return (
        mask_health(cutout)
        | photo_difficulty(cutout)
        | input_view(cutout, view_set.condition, world, faces, paint)
        | views_agreement(view_set, world, faces, paint)
        | view_quality(cutout, view_set)
        | views_against_photo(cutout, view_set)
        | back_view(view_set.condition, world, faces, paint)
        | geometry(world, faces)
        | {"lean": lean(world), "see_through": see_through(cutout, view_set, world, faces)}
        | {"thin_tips": thin_tips(world, faces)}
        | texture_quality(world, faces, paint)
        | reported(view_set, report)
    )


def opened(cutout: Cutout, camera: Camera, glb: bytes, report: FinishReport) -> tuple[Points, NDArray[np.int64], Paint]:
    """A GLB in the field's world: vertices ``(V, 3)``, faces ``(F, 3)`` and what :func:`picture_of` paints it with.

    Raises :class:`UnreadableGlb` where it is unreadable or has no finite surface.
    """
    from core.mesh import read_glb

    try:
        model = read_glb(glb)
        texels = model.texels()
    except (MeshFailed, OSError, ValueError) as error:  # the latter two are a texture's that does not decode
        raise UnreadableGlb(f"it does not read as a GLB: {error}") from error
    vertices, faces = np.asarray(model.vertices, np.float64), np.asarray(model.faces, np.int64)
    if not len(faces) or not np.isfinite(vertices).all():
        raise UnreadableGlb("it has no finite surface")
    paint: Paint = {"colors": model.colors}
    if model.uv is not None and texels is not None:
        paint = {"uv": model.uv, "texture": texels}
    return placed(vertices, faces, cutout, camera, report), faces, paint


def placed(vertices: Points, faces: NDArray[np.int64], cutout: Cutout, camera: Camera, report: FinishReport) -> Points:
    """The GLB's vertices back in the field's world, where the cutout is what ``camera`` sees."""
    placement = Placement.from_report(report)
    if placement is not None:
        return placement.back(vertices)
    return fitted(vertices, faces, cutout.rgba[..., 3] >= 128, camera)


def fitted(
    vertices: Points, faces: NDArray[np.int64], mask: NDArray[np.bool_], camera: Camera, rounds: int = 8
) -> Points:
    """Scaled and moved so that ``camera`` sees it in the mask's box: the same centre and longest side, in pixels.

    A picture cannot tell scale from depth, so the box's centre is kept at the distance of the origin.
    """
    from core.render import render_mesh

    low, high = vertices.min(0), vertices.max(0)
    world = np.asarray((vertices - (low + high) / 2) / max(float((high - low).max()), 1e-12), np.float64)
    size = mask.shape[0]
    left, top, right, bottom = object_box(mask)
    wanted = np.array([(left + right - 1) / 2, (top + bottom - 1) / 2])
    pose = camera.camera_to_world()
    focal = size / 2 / np.tan(np.radians(camera.fov) / 2)
    for _ in range(rounds):
        seen = render_mesh(world, faces, camera, size, supersample=2).alpha >= 128
        if not seen.any():
            break
        x0, y0, x1, y1 = object_box(seen)
        ratio = max(right - left, bottom - top) / max(x1 - x0, y1 - y0)
        off = (wanted - np.array([(x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2])) * camera.radius / focal
        if ratio == 1 and not off.any():
            break
        world = world * ratio + off[0] * pose[:3, 0] - off[1] * pose[:3, 1]
    return world


def mask_health(cutout: Cutout) -> dict[str, float]:
    """Coverage, soft edges, separate things and holes of the cutout's alpha; the segmentation's own confidence."""
    from scipy import ndimage

    alpha = cutout.rgba[..., 3]
    mask = alpha >= 128
    area = max(1, int(mask.sum()))
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())[1:] if count else np.zeros(1)
    holes = ndimage.binary_fill_holes(mask) & ~mask
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return {
        "coverage": float(mask.mean()),
        "soft_edge": float(((alpha > 25) & (alpha < 230)).sum() / area),
        "stray_share": float(1 - sizes.max() / area),
        "hole_share": float(holes.sum() / area),
        "frame_contact": float(rim.mean()),
        "cutout_confidence": float(cutout.confidence),
    }


def input_view(
    cutout: Cutout, camera: Camera, world: Points, faces: NDArray[np.int64], paint: Paint
) -> dict[str, float]:
    """The asset seen from the photo's camera against the photo: outline, colours, detail."""
    photo = shrunk(cutout.rgba, INPUT_SIZE)
    picture, alpha = picture_of(world, faces, camera, INPUT_SIZE, paint)
    truth, mask = over_white(photo), photo[..., 3] >= 128
    box = object_box(mask)
    both = mask & (alpha >= 128)
    return {
        "input_mask_iou": mask_iou(alpha >= 128, mask),
        "front_gap": gap(mask, alpha >= 128),
        "input_psnr": min(PSNR_CAP, psnr(picture, truth, box)),
        "sharpness": detail(picture, both) / max(detail(truth, both), 1e-6) if both.any() else 0.0,
    }


def gap(mask: NDArray[np.bool_], seen: NDArray[np.bool_]) -> float:
    """The largest region of the photo's mask, thicker than :data:`RIM` pixels, where nothing was built: its share."""
    from scipy import ndimage

    missing = ndimage.binary_opening(mask & ~seen, np.ones((3, 3)), RIM)
    labels, count = ndimage.label(missing)
    return float(np.bincount(labels.ravel())[1:].max() / mask.sum()) if count else 0.0


def back_view(camera: Camera, world: Points, faces: NDArray[np.int64], paint: Paint) -> dict[str, float]:
    """``back_copy``: is the back the front's mirror image? The correlation of their patterns where both outlines agree
    (by an IoU of .97 not at all, by .99 fully); 0 for a model without any pattern.

    No photographed product looks so to the pixel; a model whose front was mirrored does.
    """
    from scipy.ndimage import binary_erosion, gaussian_filter

    world = world - (world.min(0) + world.max(0)) / 2  # mirrored about its own middle, it looks the same
    opposite = replace(camera, azimuth=camera.azimuth + 180)
    (front, alpha), (back, other) = (picture_of(world, faces, eye, INPUT_SIZE, paint) for eye in (camera, opposite))
    seen, mirrored = alpha >= 128, other[:, ::-1] >= 128
    inner = binary_erosion(seen & mirrored, iterations=RIM)
    alike = min(1.0, max(0.0, (mask_iou(seen, mirrored) - 0.97) / 0.02))
    pictures = [picture.astype(np.float64) for picture in (front, back[:, ::-1])]
    fine, coarse = ([gaussian_filter(p, (blur, blur, 0)) for p in pictures] for blur in PATTERN)
    bands = [(a - b)[inner].ravel() for a, b in zip(fine, coarse, strict=True)]
    if not alike or not inner.any() or min(float(band.std()) for band in bands) < 1:
        return {"back_copy": 0.0}
    return {"back_copy": alike * float(np.corrcoef(*bands)[0, 1])}


def see_through(cutout: Cutout, view_set: ViewSet, world: Points, faces: NDArray[np.int64]) -> float:
    """How much wider the widest hole through the model is than any that the photo or a view shows.

    As shares of their outlines; looked for from four sides at its own height. White inside of a view counts as a hole.
    """
    world = world - (world.min(0) + world.max(0)) / 2
    cameras = [Camera(azimuth, 0) for azimuth in (0, 45, 90, 135)]
    ours = [picture_of(world, faces, camera, HOLE_SIZE, {})[1] >= 128 for camera in cameras]
    shown = [shrunk(cutout.rgba, HOLE_SIZE)[..., 3] >= 128, *(image.min(-1) < 248 for image in view_set.images)]
    return max(0.0, max(map(widest_hole, ours)) - max(map(widest_hole, shown)))


def widest_hole(mask: NDArray[np.bool_]) -> float:
    """The largest enclosed hole of a mask ``(S, S)``, as a share of it."""
    from scipy import ndimage

    labels, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    return float(np.bincount(labels.ravel())[1:].max() / mask.sum()) if count else 0.0


def views_agreement(view_set: ViewSet, world: Points, faces: NDArray[np.int64], paint: Paint) -> dict[str, float]:
    """The asset against the views it was made from: mean outline overlap and colours, and the worst fifth's outline."""
    overlaps, values, crispness = [], [], []
    size = view_set.images.shape[1] if len(view_set.images) else 0
    for image, camera in zip(view_set.images, view_set.cameras, strict=True):
        picture, alpha = picture_of(world, faces, camera, size, paint)
        mask = mask_from_white(image)
        overlaps.append(mask_iou(alpha >= 128, mask))
        values.append(min(PSNR_CAP, psnr(picture, image, object_box(mask | (alpha >= 128)))))
        crispness.append(detail(picture, alpha >= 128))
    if not overlaps:
        return {}
    front, alpha = picture_of(world, faces, view_set.condition, size, paint)
    worst = np.sort(overlaps)[: max(1, len(overlaps) // 5)]
    return {
        "views_mask_iou": float(np.mean(overlaps)),
        "worst_view_mask_iou": float(worst.mean()),
        "views_psnr": float(np.mean(values)),
        "sides_detail": min(2.0, float(np.mean(crispness)) / max(detail(front, alpha >= 128), 1.0)),
    }


def geometry(vertices: Points, faces: NDArray[np.int64]) -> dict[str, float]:
    """Closed or not, loose parts, flatness and enclosed volume, of the mesh without its texture seams."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    step = max(float(np.ptp(vertices, axis=0).max()) * 1e-6, 1e-12)
    _, index = np.unique(np.rint(vertices / step).astype(np.int64), axis=0, return_inverse=True)
    welded = index.reshape(-1)[faces]
    welded = welded[(welded[:, 0] != welded[:, 1]) & (welded[:, 1] != welded[:, 2]) & (welded[:, 2] != welded[:, 0])]
    edges = np.concatenate([welded[:, [0, 1]], welded[:, [1, 2]], welded[:, [2, 0]]])
    _, uses = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    count = int(index.max()) + 1
    graph = coo_matrix((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, label = connected_components(graph, directed=False)

    centre = vertices.mean(0)
    a, b, c = (vertices[faces[:, i]] - centre for i in range(3))
    volumes = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    parts = np.abs(np.bincount(label[index.reshape(-1)[faces[:, 0]]], volumes))
    size = np.ptp(vertices, axis=0)
    total = float(parts.sum())
    return {
        "solidity": total / max(hull_volume(vertices), 1e-12),
        "closed": float((uses == 2).all()) if len(uses) else 0.0,
        "handles": float(max(0, 1 - (len(np.unique(welded)) - len(uses) + len(welded)) // 2)),
        "parts": float(np.count_nonzero(parts > 0)),
        "largest_part": float(parts.max() / total) if total > 0 else 0.0,
        "depth_ratio": float(size[2] / max(size[0], size[1], 1e-12)),
        "thinness": float(size.min() / max(size.max(), 1e-12)),
        "box_fill": float(total / max(float(size.prod()), 1e-12)),
    }


def lean(vertices: Points) -> float:
    """Degrees between upright and what the model stands on: the mean direction of its hull's faces that look down.

    Faces more than 40 degrees from straight down are its sides. 0 where there are none, as under a flat sheet.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(vertices)
    except QhullError:
        return 0.0
    corners = vertices[hull.simplices]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    down = hull.equations[:, 1] < -np.cos(np.radians(40))
    direction = (hull.equations[down, :3] * area[down, None]).sum(0)
    length = float(np.linalg.norm(direction))
    return float(np.degrees(np.arccos(np.clip(-direction[1] / length, -1, 1)))) if length > 0 else 0.0


def hull_volume(vertices: Points) -> float:
    """Volume of the convex hull of ``(V, 3)`` points; 0 where they lie in a plane."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(vertices).volume)
    except QhullError:
        return 0.0


def reported(view_set: ViewSet, report: FinishReport) -> dict[str, float]:
    """What earlier stages said: how sure elevation and shape are, how alike another seed, how much nobody saw."""
    found: dict[str, float] = {}
    elevation, texture = view_set.info.elevation, report.texture
    if elevation is not None and elevation.confidence is not None:
        found["elevation_confidence"] = float(elevation.confidence)
    if view_set.info.seed_agreement is not None:
        found["seed_agreement"] = float(view_set.info.seed_agreement)
    if texture is not None and texture.unseen is not None:
        found["unseen_texture"] = float(texture.unseen)
    if texture is not None and texture.strangers:
        found["strangers"] = float(texture.strangers)
    said = report.confidence or {}
    return found | {name: float(said[key]) for key, name in CONFIDENCE.items() if key in said}


def picture_of(
    world: Points, faces: NDArray[np.int64], camera: Camera, size: int, paint: Paint
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The unlit asset over white ``(size, size, 3)`` and its alpha ``(size, size)``."""
    from core.render import over, render_mesh

    seen = render_mesh(world, faces, camera, size, supersample=2, **paint)
    return over(seen.rgb, seen.alpha), seen.alpha
