"""The pictures that a texture is baked from: what each camera saw of each point, and how well."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera, project
from core.photo_set import PhotoSet, Place, PosedPhoto
from core.render import cover, sample_texture
from core.segment.framing import bounding_box

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """One picture of the object."""

    image: NDArray[np.uint8]
    """``(S, S, 3)``, the object's colours carried a few pixels beyond its outline."""
    trust: Floats
    """``(S, S, 1)`` 0 off the object, 1 inside; in a view it takes a few pixels to rise."""
    camera: Camera
    cubic: bool
    """Sampled with cubic splines (the photo: bilinear sampling would blur it a second time) or bilinearly."""
    depth: Floats
    """``(D, D, 1)`` distance along the axis to the nearest surface, the smallest of 3 x 3 pixels."""


def photo_source(cutout: Cutout, camera: Camera, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Source:
    """The photo itself, trusted to its outline and a pixel beyond: no view knows its rim better.

    Its edge pixels hold the product's colour alone already (:func:`core.segment.framing.foreground`). Fading four
    pixels before the outline cost scans of real products 3.3 dB there, and no other side gained from it.
    """
    from scipy.ndimage import distance_transform_edt

    mask = cutout.rgba[..., 3] > 200
    trust = np.clip((distance_transform_edt(mask) - distance_transform_edt(~mask) + 1.5) / 2, 0, 1)
    # Twice as fine: at the picture's own size an edge hides what shows in a slit of three pixels behind it.
    depth = _depth(vertices, faces, camera, 2 * max(256, len(mask)))
    return Source(_carried(cutout.rgba[..., :3], mask), _channel(trust), camera, True, depth)


def photo_sources(
    main: Cutout,
    camera: Camera,
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    photos: PhotoSet | None = None,
) -> tuple[Source, ...]:
    """The main photo, which ``camera`` took, and the further ones of ``photos``, those that only colour last."""
    sources = [photo_source(main, camera, vertices, faces)]
    if photos is not None:
        placed = [*photos.photos[1:], *(on_surface(photo, camera, vertices, faces) for photo in photos.painters)]
        sources += [photo_source(photo.framed(), photo.camera, vertices, faces) for photo in placed]
    return tuple(sources)


def on_surface(photo: PosedPhoto, main: Camera, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> PosedPhoto:
    """A photo that had no say in the shape, laid over it: its outline's box over the surface's, seen from its side.

    ``main`` is the camera of the photo that the shape was made from: the others' stood as far away.
    """
    camera = replace(main, azimuth=main.azimuth + photo.camera.azimuth, elevation=photo.camera.elevation)
    size = len(photo.cutout.rgba)
    seen = np.zeros(size * size, bool)
    seen[cover(vertices, faces, camera, size, cull=True).pixels] = True
    mask = photo.cutout.rgba[..., 3] > 127
    if not seen.any() or not mask.any():
        return replace(photo, place=Place(camera))
    ours, theirs = (np.asarray(bounding_box(shown)) * 2 / size - 1 for shown in (seen.reshape(size, size), mask))
    zoom = float(np.sqrt(np.prod((theirs[2:] - theirs[:2]) / (ours[2:] - ours[:2]))))
    x, y = (ours[:2] + ours[2:]) / 2 - (theirs[:2] + theirs[2:]) / 2 / zoom
    return replace(photo, place=Place(camera, zoom, (float(x), float(y))))


def view_sources(view_set: ViewSet, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> list[Source]:
    """The synthesized views. White that runs into their outlines is ground too: it would show as a pale fringe."""
    from scipy.ndimage import distance_transform_edt

    sources = []
    for image, camera in zip(view_set.images, view_set.cameras, strict=True):
        mask, blur = view_mask(image)
        fade = max(1.5, len(image) / 128, blur / 3)
        inside = distance_transform_edt(mask)
        depth = _depth(vertices, faces, camera, max(256, len(image)))
        carried = _carried(image, inside > min(fade, inside.max() - 0.5))
        sources.append(Source(carried, _channel(np.clip((inside - 0.5) / fade, 0, 1)), camera, False, depth))
    return sources


def view_mask(image: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], float]:
    """The object ``(S, S)`` in a view over white ``(S, S, 3)``, and how many pixels its outline takes to rise.

    Ground touches the border and is near-white, or paler than two thirds of what lies within the outline's width.
    """
    from scipy.ndimage import binary_dilation, gaussian_gradient_magnitude, maximum_filter

    dark = 255 - image.min(-1).astype(np.float32)
    ground = _touching(dark <= 9)
    edge = binary_dilation(ground) & ~ground
    if not edge.any():
        return ~ground, 1.0
    reach = max(1, image.shape[0] // 8)
    slope = maximum_filter(gaussian_gradient_magnitude(dark, 0.5), 2 * reach + 1)
    rise = maximum_filter(dark, 2 * reach + 1)[edge] / np.maximum(slope[edge], 1)
    blur = min(float(np.median(rise)), float(reach))
    peak = maximum_filter(dark, 2 * round(blur) + 1)
    return ~_touching(dark <= np.maximum(9, 0.67 * peak)), blur


def _touching(pale: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of ``pale`` that reach the picture's border."""
    from scipy.ndimage import label

    areas, _ = label(pale)
    border = np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]))
    return np.isin(areas, border[border > 0])


def _carried(image: NDArray[np.uint8], solid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """``image`` with every pixel off ``solid`` as its nearest one on it."""
    from scipy.ndimage import distance_transform_edt

    if not solid.any():
        return image
    nearest = distance_transform_edt(~solid, return_distances=False, return_indices=True)
    return np.ascontiguousarray(image[tuple(nearest)])


def _channel(values: NDArray[np.floating]) -> Floats:
    return values.astype(np.float32)[..., None]


def _depth(vertices: NDArray[np.float64], faces: NDArray[np.int64], camera: Camera, size: int) -> Floats:
    """Depth of the nearest surface ``(size, size, 1)``, the smallest of 3 x 3 pixels: edges hide what they touch."""
    from scipy.ndimage import minimum_filter

    depth = np.full(size * size, np.inf, np.float32)
    seen = cover(vertices, faces, camera, size, cull=True)
    depth[seen.pixels] = seen.depth
    return _channel(minimum_filter(depth.reshape(size, size), 3))


def look(source: Source, points: NDArray[np.float64], normals: NDArray[np.float64]) -> tuple[Floats, Floats, Floats]:
    """Colours ``(N, 3)``, cosines ``(N,)`` to the viewer and trust ``(N,)``: 0 where hidden, turned away or outside."""
    towards = source.camera.eye() - points
    distance = np.linalg.norm(towards, axis=1)
    cosine = np.clip((towards * normals).sum(1) / distance, 0, 1).astype(np.float32)
    trust = np.zeros(len(points), np.float32)
    color = np.zeros((len(points), 3), np.float32)
    facing = np.flatnonzero(cosine > 0.05)
    screen = project(points[facing], source.camera, 1)
    place = screen[:, :2] + 0.5  # a picture one pixel wide has its centre at 0: now 0..1 across the frame
    size = source.depth.shape[0]
    column, row = np.clip((place * size).astype(np.int64), 0, size - 1).T
    pixel = 2 * screen[:, 2] * np.tan(np.radians(source.camera.fov) / 2) / size
    slope = np.sqrt(1 / np.maximum(cosine[facing], 0.1) ** 2 - 1)
    hidden = screen[:, 2] > source.depth[row, column, 0] + 0.006 + 2.5 * pixel * slope
    outside = ((place < 0) | (place > 1)).any(1)
    seen = np.flatnonzero(~hidden & ~outside)
    height = source.trust.shape[0]
    column, row = np.clip((place[seen] * height).astype(np.int64), 0, height - 1).T
    trust[facing[seen]] = source.trust[row, column, 0]
    color[facing[seen]] = (_sample_cubic if source.cubic else sample_texture)(source.image, place[seen])
    return color, cosine, trust


def _sample_cubic(image: NDArray[np.uint8], place: NDArray[np.float64]) -> Floats:
    """Cubic spline samples ``(N, 3)`` of ``(S, S, 3)`` at ``(N, 2)`` in 0..1."""
    from scipy.ndimage import map_coordinates

    where = (place * image.shape[0] - 0.5)[:, ::-1].T
    channels = [map_coordinates(image[..., i].astype(np.float32), where, order=3, mode="nearest") for i in range(3)]
    return np.asarray(np.clip(np.stack(channels, -1), 0, 255), np.float32)
