"""A density field becomes a closed surface: clip, denoise, close the border, drop crumbs, join, march, fair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Field, Mesh, ViewSet
from core.cameras import Camera, camera_rays, intrinsics, project
from core.errors import MeshFailed, ReconstructionFailed
from core.mesh.fairing import smooth
from core.mesh.params import MeshParams
from core.mesh.pieces import joined, without_crumbs
from core.mesh.topology import crossing_faces, inspect, signed_volumes
from core.photo_set import PhotoSet
from core.reports import MeshInfo

PAD = 2
"""Voxels of empty space added on each side: a surface that reaches the border is closed there."""

SLACK = 0.5
"""Voxels by which the surface may stick out of the photo's outline: less would thin bars that are thin already."""

RESTORED = 6
"""Passes of the blur that give back what it took from wherever the surface is smooth; more give noise back as well."""

MAX_FILL = 0.6
"""A field more than this full is not an object."""


def extract_mesh(
    field: Field, cutout: Cutout, view_set: ViewSet, params: MeshParams, photos: PhotoSet | None = None
) -> Mesh:
    """The closed, outward-facing surface of ``field``, in its world, with the field's colour at the vertices.

    The level is ``field.info["isovalue"]`` where the reconstruction gives one, else the density at which the
    silhouette from ``field.camera`` matches the cutout best. Pieces, joints and foot follow the photo alone: the
    views of ``view_set`` disagree about outlines; all outlines of several ``photos`` cut and draw the rims. Raises
    :class:`ReconstructionFailed` for a field that is not finite, empty or full, :class:`MeshFailed` when no closed
    surface comes out.
    """
    density = np.asarray(field.density, np.float32)
    _check(density)
    info = MeshInfo(engine=params.engine)
    given = field.info.get("isovalue")
    if given is not None and np.isfinite(given) and 0 < float(given) < float(density.max()):
        level, info.isovalue_from = float(given), "reconstruction"
    else:
        level, info.silhouette_iou = silhouette_level(density, field.camera, cutout.rgba[..., 3])
        info.isovalue_from = "silhouette"
    info.isovalue = level
    mask = cutout.rgba[..., 3] > 127
    volume = trimmed(solid(density, level, params.denoise), cutout, field.camera)
    seen = [(cutout, field.camera)]
    seen += [(photo.framed(), photo.camera) for photo in (() if photos is None else photos.photos[1:])]
    for further, camera in seen[1:]:
        volume = trimmed(volume, further, camera)
    volume, info.floaters_dropped = without_crumbs(volume, PAD, mask, field.camera, params.floater)
    allowed = trimmed(np.ones_like(volume), cutout, field.camera) > 0
    volume, info.joints = joined(volume, allowed, mask, params.floater)
    if (border := _border_share(volume)) > 0:
        info.border_share = round(border, 4)
    vertices, faces = marching_cubes(volume)
    vertices, info.fairing = smooth(vertices, faces, seen, params.fairing, max(density.shape))
    state = inspect(vertices, faces)
    if not state.sound:
        raise MeshFailed(
            f"No closed surface came out of the field: {state.open_edges} open, {state.crowded_edges} crowded and "
            f"{state.flipped_edges} flipped edges, {state.pinched_vertices} pinched vertices."
        )
    state.crossing_faces = len(crossing_faces(vertices, faces))
    info.topology = state
    colors = None if field.color is None else sample_color(field.color, vertices)
    return Mesh(vertices, faces, colors, info)


def _check(density: NDArray[np.float32]) -> None:
    if density.ndim != 3 or min(density.shape) < 4:
        raise ReconstructionFailed(f"The field has the shape {density.shape}, which is not a volume.")
    if not np.isfinite(density).all():
        raise ReconstructionFailed("The reconstructed field contains values that are not numbers.")
    if density.max() <= 0:
        raise ReconstructionFailed("The reconstructed field is empty: there is no object in it.")


def silhouette_level(density: NDArray[np.float32], camera: Camera, alpha: NDArray[np.uint8]) -> tuple[float, float]:
    """The density whose surface, seen by ``camera``, matches the mask ``alpha (H, W)`` best, and that IoU.

    A pixel sees the surface of level t exactly when the highest density on its ray exceeds t, so one projection
    serves all levels.
    """
    from scipy.ndimage import map_coordinates

    size = 128
    origins, directions = camera_rays(intrinsics(size, size, camera.fov), camera.camera_to_world(), size, size)
    step = 2 / max(density.shape)
    reach = np.arange(max(camera.radius - 1.75, step), camera.radius + 1.75, step)
    highest = np.zeros(size * size, np.float32)
    shape = np.array(density.shape[::-1])
    for t in reach:
        index = ((origins + directions * t + 1) / 2 * shape - 0.5)[:, ::-1].T
        np.maximum(highest, map_coordinates(density, index, order=1, mode="constant"), out=highest)
    mask = alpha.reshape(size, alpha.shape[0] // size, size, -1).mean((1, 3)).reshape(-1) > 127
    order = np.argsort(-highest, kind="stable")
    inside = np.cumsum(mask[order])
    iou = inside / (np.arange(1, len(order) + 1) + mask.sum() - inside)
    best = int(np.argmax(np.where(highest[order] > 0, iou, 0)))
    lower = highest[order[min(best + 1, len(order) - 1)]]
    # A level at the very top would leave nothing above it.
    return float(min((highest[order[best]] + lower) / 2, 0.9 * highest.max())), float(iou[best])


def solid(density: NDArray[np.float32], level: float, denoise: float) -> NDArray[np.float32]:
    """A padded signed volume in [-1, 1], positive inside, without cavities.

    Density is clipped at twice the level before it is blurred: a wall then moves neither in nor out, however dense
    its inside is. The blur ``G`` of ``denoise`` voxels is followed by van Cittert's correction, ``v += G(sharp - v)``:
    together ``1 - (1 - G)^6``, which leaves slats and handles as thick as they were and still passes no noise.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter

    sharp = np.pad(np.clip(density / np.float32(level), 0, 2) - 1, PAD, constant_values=-1)
    volume = sharp
    if denoise > 0:
        volume = gaussian_filter(sharp, denoise, mode="nearest", truncate=3)
        for _ in range(RESTORED - 1):
            volume += gaussian_filter(sharp - volume, denoise, mode="nearest", truncate=3)
        volume -= _regrowth(sharp, volume)
    for axis in range(3):  # the blur may have pushed the surface into the outermost layer
        for end in (0, -1):
            np.moveaxis(volume, axis, 0)[end] = -1
    inside = volume > 0
    if not inside.any():
        raise ReconstructionFailed("The reconstructed field is empty: no part of it is dense enough to be an object.")
    if (filled := float((density > level).mean())) > MAX_FILL:
        raise ReconstructionFailed(f"The reconstructed field fills {filled:.0%} of its box: there is no object in it.")
    volume[binary_fill_holes(inside) & ~inside] = 1
    # A value exactly on the level would put several corners of the surface into one point.
    tiny = np.float32(1e-3)
    return np.asarray(np.where(np.abs(volume) < tiny, np.where(volume >= 0, tiny, -tiny), volume), np.float32)


def trimmed(volume: NDArray[np.float32], cutout: Cutout, camera: Camera) -> NDArray[np.float32]:
    """``volume`` without what would stick out of the photo's outline by more than half a voxel.

    Synthesized views disagree about outlines, the photo knows its own. Outside of its frame it knows nothing.
    """
    from scipy.ndimage import distance_transform_edt

    mask = cutout.rgba[..., 3] > 127
    if not mask.any():
        return volume
    size, n = mask.shape[0], np.array(volume.shape) - 2 * PAD
    outline = distance_transform_edt(mask) - distance_transform_edt(~mask)  # pixels, positive inside
    near = np.argwhere(volume > -1)
    points = (-1 + (near - PAD + 0.5) * 2 / n)[:, ::-1]
    x, y, depth = project(points, camera, size).T
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    framed = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    pixel = 2 * depth * np.tan(np.radians(camera.fov) / 2) / size
    inside = np.full(len(near), np.inf)
    inside[framed] = outline[row[framed], column[framed]] * pixel[framed] * n.max() / 2 + SLACK
    result = volume.copy()
    index = tuple(near.T)
    tiny = 1e-3  # as in solid: nothing lies exactly on the surface
    bounded = np.where(np.abs(inside) < tiny, -tiny, np.clip(inside, -1, 1))
    result[index] = np.minimum(volume[index], bounded)
    if not (result > 0).any():
        raise ReconstructionFailed("The reconstructed field lies nowhere behind the product in the photo.")
    return result


def _regrowth(sharp: NDArray[np.float32], blurred: NDArray[np.float32]) -> np.float32:
    """How far below zero to cut ``blurred`` so that thin parts get their volume back: 0 where nothing shrank.

    A blur eats slats and handles, never walls; specks that it should eat are not counted as lost.
    """
    from scipy.ndimage import label

    labels, count = label(sharp > 0)
    if count == 0:
        return np.float32(0)
    sizes = np.bincount(labels.ravel())[1:]
    wanted = int(sizes[sizes >= 0.01 * sizes.max()].sum())
    if wanted <= int((blurred > 0).sum()):
        return np.float32(0)
    cut = np.partition(blurred.ravel(), -wanted)[-wanted]
    return np.float32(np.clip(cut, -0.3, 0))


def _border_share(volume: NDArray[np.float32]) -> float:
    """How much of the outermost layer of the unpadded field is inside the surface."""
    core = volume[PAD:-PAD, PAD:-PAD, PAD:-PAD] > 0
    border = np.ones(core.shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    return float(core[border].mean())


def marching_cubes(volume: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The zero surface of a padded volume ``[z, y, x]`` as ``(V, 3)`` world vertices and outward ``(F, 3)`` faces."""
    from skimage.measure import marching_cubes

    points, faces, _, _ = marching_cubes(volume, 0.0, allow_degenerate=False)  # type: ignore[no-untyped-call]
    n = np.array(volume.shape) - 2 * PAD
    world = (-1 + (points.astype(np.float64) - PAD + 0.5) * 2 / n)[:, ::-1]
    triangles = faces.astype(np.int64)
    if signed_volumes(world, triangles).sum() < 0:
        triangles = triangles[:, ::-1]
    return np.ascontiguousarray(world), np.ascontiguousarray(triangles)


def sample_color(color: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """sRGB ``(N, 3)`` uint8 of a colour volume ``(Z, Y, X, 3)`` in 0..1 at world points ``(N, 3)``."""
    from scipy.ndimage import map_coordinates

    shape = np.array(color.shape[2::-1])
    index = ((points + 1) / 2 * shape - 0.5)[:, ::-1].T
    channels = [map_coordinates(color[..., i], index, order=1, mode="nearest") for i in range(3)]
    return np.asarray(np.rint(np.clip(np.nan_to_num(np.stack(channels, -1)), 0, 1) * 255), np.uint8)
