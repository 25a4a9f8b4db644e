"""Baking: the photo onto what its camera saw, elsewhere the lift's colour or the views, no seams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Field, ViewSet
from core.mesh.atlas import Atlas
from core.mesh.exposure import matched
from core.mesh.sources import Source, look, photo_sources, view_sources
from core.mesh.surface import sample_color
from core.mesh.topology import areas, vertex_normals
from core.photo_set import PhotoSet
from core.render import rasterize
from core.reports import TextureReport

Floats = NDArray[np.float32]

FAINT = 0.02
"""Weight of the last resort against the views': it decides only where they hardly see."""
HESITANT = 1e-3
"""Weight of the field's colour against growth from the neighbours: it decides some thirty edges from what was seen."""
SURE = 0.05
"""The same for colours of the model's lift, which has seen a hundred thousand products: some five edges."""
REACH = 0.25
"""How far the photo's tone reaches past what its camera saw, in units of the object's longest side."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
DECIDED = 6
"""Power of the cosine by which photos share a texel: straight on beats aslant, and only near-equal ones mix."""
FAITHFUL = 5.0
"""Root mean square in levels of 255 that de-lighting may change the photo by: 34 dB."""


@dataclass(frozen=True)
class Sight:
    """What all pictures say about ``N`` points."""

    photo: Floats
    """``(N, 3)``."""
    photo_weight: Floats
    """``(N,)`` 0..1."""
    views: Floats
    """``(N, 3)`` weighted mean."""
    views_weight: Floats
    """``(N,)``."""


@dataclass(frozen=True)
class PaintSources:
    """The sources of one asset, ready to be asked about points; shared by its levels of detail."""

    photos: tuple[Source, ...]
    """The main one first."""
    views: list[Source]
    views_paint: bool
    """Whether the views colour what the photo does not show. Where the model has a lift, its own colours do: on scans
    they came nearer to the truth than the synthesized views."""
    gains: list[list[float]]
    """What each photo's red, green and blue were multiplied by (:mod:`core.mesh.exposure`); empty where nothing was."""
    strangers: int
    """How many photos show quite other colours than the rest where both see the same."""


def prepare(
    cutout: Cutout,
    view_set: ViewSet,
    field: Field,
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    photos: PhotoSet | None = None,
) -> PaintSources:
    """Masks and depth buffers of all pictures against one mesh in the field's world; photos as bright as the first."""
    sources = photo_sources(cutout, field.camera, vertices, faces, photos)
    same = matched(sources, vertices, vertex_normals(vertices, faces))
    return PaintSources(
        same.photos,
        view_sources(view_set, vertices, faces),
        field.color is None or field.info.get("color_from") != "lift",
        same.gains,
        same.strangers,
    )


def bake(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    atlas: Atlas,
    pictures: PaintSources,
    field: Field,
    size: int,
    delight: float = 0.0,
) -> tuple[NDArray[np.uint8], TextureReport]:
    """The base-colour texture ``(size, size, 3)`` of a mesh in the field's world, and where its texels came from."""
    normals = vertex_normals(vertices, faces)
    at_vertices = sight_of(pictures.photos, pictures.views, vertices, normals)
    shown = _looked_at(at_vertices, vertices, faces)
    painters = pictures.views if pictures.views_paint else []
    if not painters:
        at_vertices = replace(at_vertices, views_weight=np.zeros_like(at_vertices.views_weight))
    hesitant = HESITANT if painters else SURE
    base = _base(at_vertices, faces, None if field.color is None else sample_color(field.color, vertices), hesitant)
    shift = _membrane(at_vertices, base, vertices, faces)

    texels = rasterize(atlas.uv * size - 0.5, atlas.faces, size, size)
    corners, weights = faces[texels.faces], texels.barycentrics

    def spread(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(sum(values[corners[:, i]] * weights[:, i, None] for i in range(3)))

    texel_normals = spread(normals)
    texel_normals /= np.maximum(np.linalg.norm(texel_normals, axis=1, keepdims=True), 1e-9)
    sight = sight_of(pictures.photos, painters, spread(vertices), texel_normals)
    trust = sight.views_weight[:, None]
    rest = (sight.views * trust + FAINT * spread(base)) / (trust + FAINT) + spread(shift)
    share = sight.photo_weight[:, None]
    color = np.clip(share * sight.photo + (1 - share) * rest, 0, 255).astype(np.float32)
    light = _light(at_vertices, normals, faces)
    color, lit = _delit(color, texel_normals @ light, sight.photo_weight > 0.5, delight)

    texture = np.zeros((size * size, 3), np.uint8)
    texture[texels.pixels] = np.rint(color)
    covered = np.zeros(size * size, bool)
    covered[texels.pixels] = True
    by_photo = float((sight.photo_weight > 0.5).mean())
    by_views = float(((sight.photo_weight <= 0.5) & (sight.views_weight > FAINT)).mean())
    report = TextureReport(
        texels=round(float(covered.mean()), 4),
        from_photo=round(by_photo, 4),
        from_views=round(by_views, 4),
        unseen=round(1 - shown, 4),
        filled_from="neighbours" if field.color is None else "field",
        delight=lit,
        charts=atlas.charts,
    )
    if pictures.gains:
        report.gains = pictures.gains
    if pictures.strangers:
        report.strangers = pictures.strangers
    return dilate(texture.reshape(size, size, 3), covered.reshape(size, size)), report


def dilate(texture: NDArray[np.uint8], covered: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Every empty texel takes its nearest covered one's colour: mipmaps and bilinear filters find no background."""
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return np.ascontiguousarray(texture[tuple(nearest)])


def _looked_at(sight: Sight, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
    """Share of the surface's area that the photo or a synthesized view looks at."""
    seen = by_a_photo(sight) | by_a_view(sight)
    return float(np.average(seen[faces].mean(1), weights=areas(vertices, faces)))


def by_a_photo(sight: Sight) -> NDArray[np.bool_]:
    """Which points ``(N,)`` a photo shows."""
    return np.asarray(sight.photo_weight > 0.5)


def by_a_view(sight: Sight) -> NDArray[np.bool_]:
    """Which points ``(N,)`` a synthesized view shows."""
    return np.asarray(sight.views_weight > FAINT)


def sight_of(
    photos: Sequence[Source], others: list[Source], points: NDArray[np.float64], normals: NDArray[np.float64]
) -> Sight:
    """What all pictures say about points ``(N, 3)`` with these normals."""
    looked = [_by_photo(photo, points, normals) for photo in photos]
    color, photo_weight = looked[0][:2] if len(looked) == 1 else blended(looked)
    total: Floats = np.zeros(len(points), np.float32)
    sum_color: Floats = np.zeros((len(points), 3), np.float32)
    for view in others:
        view_color, view_cosine, view_trust = look(view, points, normals)
        # A high power: the best view decides, and only near-equal ones mix (mixing blurs).
        weight = view_trust * view_cosine**6
        total += weight
        sum_color += weight[:, None] * view_color
    views = np.asarray(sum_color / np.maximum(total, np.float32(1e-9))[:, None], np.float32)
    return Sight(color, photo_weight, views, total)


def _by_photo(
    photo: Source, points: NDArray[np.float64], normals: NDArray[np.float64]
) -> tuple[Floats, Floats, Floats]:
    """A photo's colours ``(N, 3)``, how far it may be believed ``(N,)``, and cosines ``(N,)`` to its camera."""
    color, cosine, trust = look(photo, points, normals)
    # Even seen at 80 degrees the photo beats a synthesized view: a wider ramp cost 2.5 dB on a box of cereals.
    ramp = np.clip((cosine - 0.1) / 0.15, 0, 1)
    return color, np.asarray(ramp * ramp * (3 - 2 * ramp) * trust, np.float32), cosine


def blended(seen: list[tuple[Floats, Floats, Floats]]) -> tuple[Floats, Floats]:
    """Colours ``(N, 3)`` of several photos and the surest one's trust ``(N,)``: who looks straight on decides."""
    share = np.stack([trust * cosine**DECIDED for _, trust, cosine in seen])
    total = np.maximum(share.sum(0), np.float32(1e-9))
    color = sum(part[:, None] * color for part, (color, _, _) in zip(share / total, seen, strict=True))
    return np.asarray(color, np.float32), np.max([trust for _, trust, _ in seen], axis=0)


def _base(
    sight: Sight, faces: NDArray[np.int64], last_resort: NDArray[np.uint8] | None, hesitant: float = HESITANT
) -> Floats:
    """A colour for every vertex without the photo: the views', else grown from the neighbours over the surface.

    A fitted field's colour holds growth back only far from anything seen: where no picture looks, the field has learnt
    its colours from the pale rims of views. A lift's colours (a higher ``hesitant``) hold it back nearly everywhere.
    """
    by_view = sight.views_weight > FAINT
    by_photo = ~by_view & (sight.photo_weight > 0.2)
    certainty = np.where(by_view | by_photo, 1e3, 1e-6 if last_resort is None else hesitant)
    if last_resort is None and certainty.max() < 1:
        return np.full((len(certainty), 3), 190, np.float32)
    guess = np.zeros_like(sight.views) if last_resort is None else last_resort
    color = np.where(by_view[:, None], sight.views, np.where(by_photo[:, None], sight.photo, guess))
    return _diffuse(color.astype(np.float32), certainty, 0, faces)


def _membrane(sight: Sight, base: Floats, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Floats:
    """What to add to ``base`` so that it meets the photo where the photo ends and fades out with distance.

    A screened membrane over the mesh's edges (the seamless cloning of Perez et al. 2003 with a decay length).
    """
    edge = np.linalg.norm(vertices[faces[:, 0]] - vertices[faces[:, 1]], axis=1).mean()
    decay = (edge / (REACH * np.ptp(vertices, axis=0).max())) ** 2
    return _diffuse(sight.photo - base, sight.photo_weight.astype(np.float64), decay, faces)


def _diffuse(values: Floats, certainty: NDArray[np.float64], decay: float, faces: NDArray[np.int64]) -> Floats:
    """``(V, 3)`` that minimises ``sum certainty |x - values|^2 + sum over edges |x_i - x_j|^2 + decay |x|^2``."""
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import splu

    n = len(values)
    start, end = faces.reshape(-1), faces[:, [1, 2, 0]].reshape(-1)
    # A closed manifold holds every edge once in each direction: this is the symmetric adjacency.
    adjacency = coo_matrix((np.ones(len(start)), (start, end)), shape=(n, n)).tocsc()
    degree = np.asarray(adjacency.sum(1)).ravel()
    matrix = diags(degree + certainty + decay).tocsc() - adjacency
    solve = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve
    return np.asarray(solve(np.where(certainty[:, None] > 0, values, 0) * certainty[:, None]), np.float32)


def _light(sight: Sight, normals: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(3,)``: the photo's log-brightness is ``normals @ light`` and a colour that changes in few places.

    Fitted to differences along the mesh's edges by least absolute deviations (reweighted least squares): where
    neighbours turn away from each other and their brightness follows, that is light; where the colour ends, it is
    an outlier, and a pattern on a plane says nothing at all.
    """
    edges = np.stack([faces.reshape(-1), faces[:, [1, 2, 0]].reshape(-1)])
    edges = edges[:, (sight.photo_weight[edges] > 0.5).all(0) & (edges[0] < edges[1])]
    brightness = np.log(np.maximum(sight.photo @ LUMINANCE, 4))
    turn, step = np.diff(normals[edges], axis=0)[0], np.diff(brightness[edges], axis=0)[0]
    light = np.zeros(3)
    for _ in range(10):
        weight = 1 / np.maximum(np.abs(step - turn @ light), 1e-3)
        # A little weight on darkness: flat things and things hardly seen have no light to be found.
        light = np.linalg.solve(turn.T @ (turn * weight[:, None]) + np.eye(3), turn.T @ (step * weight))
    return light


def _delit(
    color: Floats, shading: NDArray[np.float64], photo: NDArray[np.bool_], strength: float
) -> tuple[Floats, float]:
    """Take smooth shading out, as long as the photo's texels keep within :data:`FAITHFUL` levels of the photo."""
    if strength <= 0 or not photo.any():
        return color, 0.0
    relative = (shading - shading[photo].mean()).astype(np.float32)[:, None]
    change = float(np.sqrt(np.mean((color[photo] * np.expm1(-strength * relative[photo])) ** 2)))
    applied = strength * min(1.0, FAITHFUL / max(change, 1e-9))
    return np.clip(color * np.exp(-applied * relative).clip(0.7, 1.4), 0, 255), round(applied, 4)
