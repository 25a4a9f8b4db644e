"""The align stage: the photos of one product into one frame, and which of them are used.

A photo is used where its name or the catalogue says from which side it was taken and its outline fits the others'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout
from core.cameras import Camera
from core.photo_set import PhotoSet, Place, PosedPhoto
from core.photos.left_out import STEEP_PHOTO, UNNAMED
from core.photos.shot import ANCHORS
from core.placing.frame import common_frame
from core.placing.tripod import best_turn, one_camera
from core.progress import Progress, no_progress

if TYPE_CHECKING:
    from core.zero123.model import Zero123
    from core.zero123.params import ViewsParams

STEEP = 60.0
"""Degrees of elevation beyond which a photo is not used: there its name does not say which way is up."""

SAME = 0.997
"""Overlap of two outlines, and likeness of their colours, from which two photos are one."""

APART = 15.0
"""Degrees that two photos with one outline must lie apart not to be one."""

MISFIT = 0.03
"""Root mean square miss, in halves of the frame's side, from which an outline belongs to another product or pose."""

ONE_CAMERA = 0.008
"""The same miss up to which uncropped photos count as one standing camera's. On the development scans true ones missed
by .003 at most; cropped ones, or one from a distance that is off by a tenth, by .011 and more."""

SIDEWAYS = 30.0
"""Degrees from front and back from which a photo says how deep a product is. Front and back alone leave that open, and
the lifts' mean makes it worse: IoU .292 on the development scans, where the front alone has .463 and with a side .6."""

NO_SIDE = (
    "Front and back alone do not say how deep the product is, so this one gives its colours only. With a photo of a "
    "side it shapes the model, too."
)
SWAPPED = (
    "Left and right were exchanged: only so do the outlines fit. Look at the model; rename the photos if it is right."
)
OUT_OF_PLACE = (
    "It does not fit the others, which one standing camera took: does it show the same product, "
    "from the side that its name says?"
)
PLACED = "Its name tells no side; by its outline it was taken from {} degrees to the right of the front."


@dataclass(frozen=True)
class PhotoToPlace:
    """A cutout, and what is known of its camera. Angles are relative to the main photo's azimuth."""

    cutout: Cutout
    name: str
    """What its record is called: the photo's hash, or a role."""
    azimuth: float | None = None
    elevation: float | None = None
    role: str = ""
    size: tuple[int, int] | None = None
    """Width and height of the whole photo in pixels, where it is known."""


@dataclass(frozen=True)
class Placement:
    """What became of one photo."""

    name: str
    role: str
    used: bool
    why: str
    """Why it is not used, in one sentence for a person; empty where it is."""
    azimuth: float | None = None
    elevation: float | None = None
    zoom: float | None = None
    shift: tuple[float, float] | None = None
    confidence: float = 0.0
    """How well its outline fits the others', 0 to 1."""
    note: str = ""
    """Of a photo that is used otherwise than its name says, in one sentence for a person."""
    shapes: bool = True
    """Whether a photo that is used shapes the model, too; else it only colours it."""


def align(
    model: Zero123, shots: Sequence[PhotoToPlace], params: ViewsParams, seed: int, progress: Progress = no_progress
) -> tuple[PhotoSet, list[Placement]]:
    """The usable photos in one frame, the main one (``shots[0]``) first, and what became of each. Where none shows a
    side the main one shapes the model alone, and the others colour it.

    The main photo's elevation is found as for one photo; a further one that does not say its own stands as high. Raises
    nothing for a bad further photo: it is left out.
    """
    from core.zero123.views import photo_elevation

    main = shots[0]
    height, found = photo_elevation(model, main.cutout, params, seed, progress)
    cameras = {0: Camera(0.0, height)}
    left_out: dict[int, str] = {}
    notes: dict[int, str] = {}
    unnamed: list[int] = []
    for number, shot in enumerate(shots[1:], 1):
        if said := _unusable(shot) or _copy_of_another(number, shots, cameras):
            left_out[number] = said
        elif shot.azimuth is None:
            unnamed.append(number)
        else:
            cameras[number] = Camera(shot.azimuth % 360, height if shot.elevation is None else shot.elevation)
    if mirrored := swapped_sides(shots, cameras):
        notes = {i: SWAPPED for i in mirrored if mirrored[i] != cameras[i]}
        cameras = mirrored
    if (odd := odd_one_out(shots, cameras)) is not None:
        left_out[odd] = OUT_OF_PLACE
        del cameras[odd]
    for number in unnamed:
        camera = placed_unnamed(shots, cameras, number, height)
        if camera is None:
            left_out[number] = UNNAMED
        else:
            cameras[number], notes[number] = camera, PLACED.format(round(camera.azimuth) % 360)
    places = _places(shots, cameras)
    while len(places) > 1 and max(place.slack for place in places.values()) > MISFIT:
        worst, places = _without_misfit(shots, cameras)
        left_out[worst] = (
            "Its outline does not fit the other photos: does it show the same product from the side that its name says?"
        )
        del cameras[worst]
    painters: dict[int, Place] = {}
    if len(places) > 1 and all(_along_the_axis(camera) for camera in cameras.values()):
        painters = {number: replace(place, camera=cameras[number]) for number, place in places.items() if number}
        notes |= dict.fromkeys(painters, NO_SIDE)
        places = _places(shots, {0: cameras[0]})
    progress("align", len(shots), len(shots))
    photos = PhotoSet(_posed(shots, places), found, _posed(shots, painters))
    became = [
        replace(_placement(shot, (places | painters).get(i), left_out.get(i, "")), shapes=i not in painters)
        for i, shot in enumerate(shots)
    ]
    return photos, [replace(one, note=notes.get(i, "")) if one.used else one for i, one in enumerate(became)]


def _posed(shots: Sequence[PhotoToPlace], places: dict[int, Place]) -> tuple[PosedPhoto, ...]:
    return tuple(PosedPhoto(shots[number].cutout, place) for number, place in places.items())


def _along_the_axis(camera: Camera) -> bool:
    """Whether it looks at the main photo's side or at the opposite one."""
    off = camera.azimuth % 180
    return min(off, 180 - off) < SIDEWAYS


def _places(shots: Sequence[PhotoToPlace], cameras: dict[int, Camera]) -> dict[int, Place]:
    """Places by the photos' own frames, where one standing camera took them, else by their outlines alone."""
    found = _by_one_camera(shots, cameras)
    if found is None:
        found = common_frame([shots[number].cutout for number in cameras], list(cameras.values()))
    return dict(zip(cameras, found, strict=True))


def swapped_sides(shots: Sequence[PhotoToPlace], cameras: dict[int, Camera]) -> dict[int, Camera] | None:
    """The cameras with left and right exchanged, where photos of one standing camera fit only so."""
    mirrored = {number: replace(camera, azimuth=-camera.azimuth % 360) for number, camera in cameras.items()}
    if mirrored == cameras or _by_one_camera(shots, cameras) or not _by_one_camera(shots, mirrored):
        return None
    return mirrored


def odd_one_out(shots: Sequence[PhotoToPlace], cameras: dict[int, Camera]) -> int | None:
    """The further photo without which one standing camera took all the others, of one size like it.

    By its outline alone it might fit: where zoom and shift are free, another product's often does. A photo of another
    size was cropped, which says nothing against it. Fewer than :data:`ANCHORS` others fit whatever they show.
    """
    sizes = {shots[number].size for number in cameras}
    if len(cameras) <= ANCHORS or len(sizes) > 1 or None in sizes or _by_one_camera(shots, cameras):
        return None
    without = {
        number: _by_one_camera(shots, {other: camera for other, camera in cameras.items() if other != number})
        for number in cameras
        if number
    }
    fitting = {number: max(place.slack for place in places) for number, places in without.items() if places}
    return min(fitting, key=fitting.__getitem__) if fitting else None


def placed_unnamed(
    shots: Sequence[PhotoToPlace], cameras: dict[int, Camera], number: int, height: float
) -> Camera | None:
    """The camera of a photo whose name tells no side, against :data:`ANCHORS` or more of the same standing camera."""
    if len(cameras) < ANCHORS:
        return None
    elevation = shots[number].elevation
    camera = Camera(0.0, height if elevation is None else elevation)
    together = [*cameras, number]
    cutouts, sizes = [shots[i].cutout for i in together], [shots[i].size for i in together]
    azimuth = best_turn(cutouts, sizes, [*cameras.values(), camera], ONE_CAMERA)
    return None if azimuth is None else replace(camera, azimuth=azimuth)


def _by_one_camera(shots: Sequence[PhotoToPlace], cameras: dict[int, Camera]) -> list[Place] | None:
    cutouts, sizes = [shots[number].cutout for number in cameras], [shots[number].size for number in cameras]
    return one_camera(cutouts, sizes, list(cameras.values()), ONE_CAMERA)


def _without_misfit(shots: Sequence[PhotoToPlace], cameras: dict[int, Camera]) -> tuple[int, dict[int, Place]]:
    """The further photo without which the others fit best, and the places of those others."""
    tried = [
        (number, _places(shots, {n: camera for n, camera in cameras.items() if n != number}))
        for number in cameras
        if number
    ]
    return min(tried, key=lambda found: max(place.slack for place in found[1].values()))


def _unusable(shot: PhotoToPlace) -> str:
    """Why a photo alone cannot be used; empty where it can."""
    if shot.elevation is not None and abs(shot.elevation) > STEEP:
        return STEEP_PHOTO
    if any("cropped by the photo's border" in warning for warning in shot.cutout.warnings):
        return "It shows only a part of the product: the border cuts it off."
    return ""


def _copy_of_another(number: int, shots: Sequence[PhotoToPlace], cameras: dict[int, Camera]) -> str:
    """Why a photo adds nothing to those before it. A turned can looks alike from all sides: colours decide too."""
    own = _small(shots[number].cutout)
    for other in cameras:
        azimuth = shots[number].azimuth
        turn = 180 if azimuth is None else abs((azimuth - (shots[other].azimuth or 0) + 180) % 360 - 180)
        theirs = _small(shots[other].cutout)
        both, either = (own[..., 3] > 127) & (theirs[..., 3] > 127), (own[..., 3] > 127) | (theirs[..., 3] > 127)
        if not both.any():
            continue
        outlines = float(both.sum() / either.sum())
        colors = 1 - float(np.abs(own[both][:, :3].astype(float) - theirs[both][:, :3]).mean()) / 255
        if outlines > SAME and colors > SAME and turn > APART:
            return "It is the same picture as another photo, under the name of another side."
        if turn < 1:
            return "Another photo from the same side is used."
    return ""


def _small(cutout: Cutout) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(cutout.rgba).resize((128, 128), Image.Resampling.BOX))


def _placement(shot: PhotoToPlace, place: Place | None, why: str) -> Placement:
    if place is None:
        return Placement(shot.name, shot.role, False, why, shot.azimuth, shot.elevation)
    camera = place.camera
    confidence = round(max(0.0, 1 - place.slack / MISFIT), 3)
    shift = (round(place.shift[0], 4), round(place.shift[1], 4))
    return Placement(
        shot.name, shot.role, True, "", camera.azimuth, camera.elevation, round(place.zoom, 4), shift, confidence
    )


def as_records(placements: Sequence[Placement]) -> list[dict[str, Any]]:
    """For JSON, once, at the edge."""
    return [dict(vars(placement)) for placement in placements]
