"""A z-buffer rasteriser in numpy: triangles to spans, spans to samples, the nearest sample wins.

Rows of every triangle are expanded first and each row's exact pixel span is found from the three edge functions, so
that the work grows with covered pixels and not with bounding boxes. Coverage is inclusive at edges and both sides of
a shared edge compute it from the same floating-point numbers: there are no cracks. Pixel centres lie at integers
(:func:`core.cameras.project`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera, project

CHUNK = 4_000_000
"""Samples expanded at once: bounds the memory to a few hundred megabytes whatever the mesh."""

NEAR = 1e-3
"""Faces with a corner nearer than this along the axis are dropped: there is no clipping."""


class Coverage(NamedTuple):
    """The visible samples of a picture, as flat lists of ``M`` covered pixels in row-major order."""

    pixels: NDArray[np.int64]
    """``(M,)`` index ``y * width + x``."""
    faces: NDArray[np.int64]
    """``(M,)`` face seen there; equal depths go to the lower index."""
    barycentrics: NDArray[np.float64]
    """``(M, 3)`` perspective-correct weights of the face's corners."""
    depth: NDArray[np.float64]
    """``(M,)`` distance along the camera's axis."""


class Render(NamedTuple):
    """A rendered picture. ``rgb`` and ``alpha`` are averaged over samples, the rest is taken at pixel centres."""

    rgb: NDArray[np.uint8]
    """``(H, W, 3)`` sRGB, straight (not premultiplied); 0 where nothing is seen."""
    alpha: NDArray[np.uint8]
    """``(H, W)`` covered share of the pixel."""
    depth: NDArray[np.float32]
    """``(H, W)`` distance along the camera's axis; ``inf`` where nothing is seen."""
    normals: NDArray[np.float32]
    """``(H, W, 3)`` unit, world axes, outward (not turned to the camera); 0 where nothing is seen."""
    faces: NDArray[np.int32]
    """``(H, W)`` face index; -1 where nothing is seen."""
    barycentrics: NDArray[np.float32]
    """``(H, W, 3)`` perspective-correct corner weights; 0 where nothing is seen."""


class Paint(TypedDict, total=False):
    """What :func:`render_mesh` colours a surface with."""

    colors: NDArray[np.generic] | None
    """``(V, 3)``."""
    uv: NDArray[np.floating]
    texture: NDArray[np.uint8]


def render_mesh(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    camera: Camera,
    size: int,
    *,
    colors: NDArray[np.generic] | None = None,
    uv: NDArray[np.floating] | None = None,
    texture: NDArray[np.uint8] | None = None,
    normals: NDArray[np.floating] | None = None,
    shade: Callable[[NDArray[np.float32], Camera], NDArray[np.float32]] | None = None,
    supersample: int = 1,
    cull: bool = False,
) -> Render:
    """Render a triangle mesh as ``camera`` sees it, ``size`` pixels square, on transparent ground.

    ``vertices (V, 3)`` world, ``faces (F, 3)`` counter-clockwise from outside. Colour: ``colors (V, 3)`` sRGB uint8 or
    0..255 float, or ``uv (V, 2)`` (origin at the texture's top left, as in glTF) with ``texture (h, w, 3)``; light
    grey without either. ``normals (V, 3)`` are interpolated for shading and output, else faces are flat. ``shade``
    maps ``(M, 3)`` normals and the camera to ``(M,)`` or ``(M, 3)`` brightness (:func:`core.render.soft_light`);
    unlit without. ``supersample`` ``s`` takes ``s × s`` samples a pixel for colour and alpha. ``cull`` drops faces
    seen from behind (closed meshes: same picture, less work).
    """
    corners = np.asarray(vertices, np.float64)
    triangles = np.asarray(faces, np.int64).reshape(-1, 3)
    flat = _face_normals(corners, triangles)

    def normals_at(seen: Coverage) -> NDArray[np.float32]:
        if normals is None:
            return flat[seen.faces].astype(np.float32)
        mixed = _mix(np.asarray(normals, np.float64), triangles, seen)
        length = np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
        return np.asarray(mixed / length, np.float32)

    def color_at(seen: Coverage, pixel_normals: NDArray[np.float32]) -> NDArray[np.float32]:
        if uv is not None and texture is not None:
            color = sample_texture(texture, _mix(np.asarray(uv, np.float64), triangles, seen))
        elif colors is not None:
            color = _mix(np.asarray(colors, np.float64)[:, :3], triangles, seen).astype(np.float32)
        else:
            color = np.full((len(seen.pixels), 3), 190, np.float32)
        if shade is not None:
            light = shade(pixel_normals, camera)
            color = color * (light[:, None] if light.ndim == 1 else light)
        return np.asarray(np.clip(color, 0, 255), np.float32)

    seen = cover(corners, triangles, camera, size, cull=cull)
    pixel_normals = normals_at(seen)
    depth = np.full(size * size, np.inf, np.float32)
    depth[seen.pixels] = seen.depth
    normal_map = np.zeros((size * size, 3), np.float32)
    normal_map[seen.pixels] = pixel_normals
    face_map = np.full(size * size, -1, np.int32)
    face_map[seen.pixels] = seen.faces
    weights = np.zeros((size * size, 3), np.float32)
    weights[seen.pixels] = seen.barycentrics

    s = supersample
    if s > 1:
        seen = cover(corners, triangles, camera, size * s, cull=cull)
        pixel_normals = normals_at(seen)
        y, x = np.divmod(seen.pixels, size * s)
        pixels = (y // s) * size + x // s
    else:
        pixels = seen.pixels
    color = color_at(seen, pixel_normals)
    count = np.bincount(pixels, minlength=size * size)
    total = np.stack([np.bincount(pixels, color[:, i], size * size) for i in range(3)], -1)
    rgb = total / np.maximum(count, 1)[:, None]
    alpha = np.rint(count * (255 / (s * s))).astype(np.uint8)

    def square(a: NDArray[np.generic]) -> NDArray[np.generic]:
        return a.reshape(size, size, *a.shape[1:])

    return Render(*map(square, (np.rint(rgb).astype(np.uint8), alpha, depth, normal_map, face_map, weights)))  # type: ignore[arg-type]


def cover(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], camera: Camera, size: int, *, cull: bool = False
) -> Coverage:
    """What ``camera`` sees of a mesh at the pixel centres of a ``size`` square picture; see :func:`render_mesh`."""
    if len(faces) == 0 or len(vertices) == 0:
        return Coverage(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0))
    with np.errstate(divide="ignore", invalid="ignore"):
        screen = project(vertices, camera, size)
    return rasterize(screen[:, :2], faces, size, size, depth=screen[:, 2], cull=cull)


def rasterize(
    xy: NDArray[np.float64],
    faces: NDArray[np.int64],
    width: int,
    height: int,
    *,
    depth: NDArray[np.float64] | None = None,
    cull: bool = False,
) -> Coverage:
    """The nearest face at every pixel centre, of triangles with screen corners ``xy (V, 2)`` (pixels, x right, y down).

    With ``depth (V,)`` along the axis the weights are perspective-correct; without, the picture is flat (as an atlas
    is) and the lower face index wins where faces overlap.
    """
    # Corners first, (3, F): numpy reduces a long axis quickly and a short last one slowly.
    corner = np.ascontiguousarray(faces.T)
    x, y = np.ascontiguousarray(xy[:, 0])[corner], np.ascontiguousarray(xy[:, 1])[corner]
    inverse = np.ones(len(xy)) if depth is None else 1 / np.where(depth > NEAR, depth, np.nan)
    w = inverse[corner]
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    # Screen y runs down, so a face that is counter-clockwise from outside has negative area here.
    keep = np.isfinite(area) & np.isfinite(w.sum(0)) & ((area < 0) if cull else (area != 0))
    top, bottom = np.maximum(np.ceil(y.min(0)), 0), np.minimum(np.floor(y.max(0)), height - 1)
    # A face between pixel centres covers none of them.
    keep &= (bottom >= top) & (np.floor(x.max(0)) >= np.maximum(np.ceil(x.min(0)), 0)) & (x.min(0) <= width - 1)
    index = np.flatnonzero(keep)
    x, y, w = x[:, index], y[:, index], w[:, index]
    top, rows = top[index].astype(np.int64), (bottom - top)[index].astype(np.int64) + 1
    # Edge i runs from corner i to i + 1; a x + b y + c >= 0 on the inner side. Swapping ends negates all three exactly.
    following = [1, 2, 0]
    sign = np.sign(area[index])
    a, b = (y - y[following]) * sign, (x[following] - x) * sign
    c = (x * y[following] - x[following] * y) * sign
    # 1/depth is affine on the screen: the weight of corner k is edge (k + 1)'s function over the area.
    slope_x, slope_y, level = ((edge[following] * w).sum(0) / np.abs(area[index]) for edge in (a, b, c))

    nearest = np.zeros(width * height)
    winner = np.full(width * height, -1, np.int64)
    for start, stop in _chunks(rows, CHUNK):
        row_face, row_y = _ranges(start, top[start:stop], rows[start:stop])
        left, right = _spans(a, b, c, row_face, row_y, width)
        full = np.flatnonzero(right >= left)
        left, count, row_face, row_y = left[full], (right - left)[full] + 1, row_face[full], row_y[full]
        row_pixel = row_y * width + left
        row_value = slope_y[row_face] * row_y + level[row_face] + slope_x[row_face] * left
        row_slope = slope_x[row_face]
        for i, j in _chunks(count, CHUNK):
            row, step = _ranges(i, np.zeros(j - i, np.int64), count[i:j])
            pixel = row_pixel[row] + step
            # Reversed writing: the first of several equal writers is the one that stays.
            if depth is None:
                won = winner[pixel] < 0
            else:
                value = row_value[row] + row_slope[row] * step
                before = nearest[pixel]
                np.maximum.at(nearest, pixel, value)
                won = (value == nearest[pixel]) & (value > before)
            winner[pixel[won][::-1]] = row_face[row[won]][::-1]
    pixels = np.flatnonzero(winner >= 0)
    face = winner[pixels]
    py, px = np.divmod(pixels, width)
    screen = np.maximum(a[:, face] * px + b[:, face] * py + c[:, face], 0)[following]
    weights = screen / screen.sum(0) * w[:, face]
    total = weights.sum(0)
    return Coverage(pixels, index[face], np.ascontiguousarray((weights / total).T), 1 / total)


def sample_texture(texture: NDArray[np.uint8], uv: NDArray[np.floating]) -> NDArray[np.float32]:
    """Bilinear samples ``(N, C)`` float32 of ``texture (h, w, C)`` at ``uv (N, 2)``: origin top left, clamped."""
    height, width = texture.shape[:2]
    x = np.clip(np.asarray(uv[:, 0], np.float32) * width - 0.5, 0, width - 1)
    y = np.clip(np.asarray(uv[:, 1], np.float32) * height - 0.5, 0, height - 1)
    x0, y0 = np.minimum(x.astype(np.int64), max(width - 2, 0)), np.minimum(y.astype(np.int64), max(height - 2, 0))
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    upper = texture[y0, x0] * (1 - fx) + texture[y0, x1] * fx
    lower = texture[y1, x0] * (1 - fx) + texture[y1, x1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, np.float32)


def _face_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(np.divide(normals, length, out=np.zeros_like(normals), where=length > 0))


def _mix(values: NDArray[np.float64], faces: NDArray[np.int64], seen: Coverage) -> NDArray[np.float64]:
    corners = faces[seen.faces]
    mixed = values[corners[:, 0]] * seen.barycentrics[:, :1]
    mixed += values[corners[:, 1]] * seen.barycentrics[:, 1:2]
    mixed += values[corners[:, 2]] * seen.barycentrics[:, 2:]
    return np.asarray(mixed)


def _ranges(
    owner: int, first: NDArray[np.int64], count: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Owners ``owner, owner + 1, ...`` each repeated ``count`` times, beside ``first, first + 1, ...``."""
    end = np.cumsum(count)
    repeated = np.repeat(np.arange(len(count)), count)
    return repeated + owner, np.arange(len(repeated)) + (first - end + count)[repeated]


def _spans(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    face: NDArray[np.int64],
    y: NDArray[np.int64],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last covered pixel of rows ``y (R,)`` of ``face (R,)``, whose edge functions are ``a, b, c (3, F)``."""
    left, right = np.full(len(y), 0.0), np.full(len(y), width - 1.0)
    for i in range(3):
        slope, rest = a[i][face], -b[i][face] * y - c[i][face]
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = rest / slope
        np.maximum(left, crossing, out=left, where=slope > 0)
        np.minimum(right, crossing, out=right, where=slope < 0)
        # A horizontal edge limits no x, only says whether the row is on its inner side.
        right[(slope == 0) & (rest > 0)] = -1
    return np.ceil(np.minimum(left, width)).astype(np.int64), np.floor(np.maximum(right, -1)).astype(np.int64)


def _chunks(sizes: NDArray[np.int64], limit: int) -> list[tuple[int, int]]:
    """Half-open runs of items whose sizes sum to about ``limit``; at least one item each."""
    if len(sizes) == 0:
        return []
    groups = (np.cumsum(sizes) - sizes) // limit
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(sizes)], strict=True))
