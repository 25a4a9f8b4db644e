"""Photos that one camera took from where it stood, the product turned: their own frames are the common one.

A studio's camera stands on a tripod while the product is turned before it, and nothing is cropped. Then where each
cutout lay in its photo says all that :mod:`core.placing.frame` would have to search, and says it exactly. Outlines that
do not meet in that frame belong to photos that were cropped, or taken from other distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import atan, degrees, radians, tan

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout
from core.cameras import Camera
from core.photo_set import Place
from core.placing.frame import LARGEST, Round, misses, placed_photos, settled
from core.placing.outlines import outline_of
from core.segment.framing import FILL

ROUNDS = (Round(40, 64, 24, 0.02), Round(40, 160, 48, 0.005))

AXIS_SPREAD = 0.05
"""Standard deviation of where the product's middle lies off the photo's, in halves of its longer side."""

TURNS = Round(0, 96, 32, 0.0)
"""How finely outlines are compared where a photo's azimuth is sought."""

COARSE = 6.0
"""Degrees between the azimuths that are tried first; then every degree around the best."""

ELSEWHERE = 25.0
"""Degrees from which another azimuth is quite another one."""

DISTINCT = 2.0
"""How many times worse the best of those must fit."""

ASPECT = 0.01
"""By how much the sides' ratio of photos of one camera may differ."""


def one_camera(
    cutouts: Sequence[Cutout],
    sizes: Sequence[tuple[int, int] | None],
    cameras: Sequence[Camera],
    most: float,
    rounds: Sequence[Round] = ROUNDS,
) -> list[Place] | None:
    """Places of photos of ``sizes`` (width, height), if one standing camera took all of them whole; else None.

    ``most`` is the root mean square miss, in halves of the common frame's side, up to which they may not meet.
    """
    import torch

    known = [size for size in sizes if size is not None]
    if len(cutouts) < 2 or len(known) < len(cutouts):
        return None
    ratios = [width / height for width, height in known]
    if max(ratios) > min(ratios) * (1 + ASPECT):
        return None
    whole = [_in_photo(cutout, size, camera) for cutout, size, camera in zip(cutouts, known, cameras, strict=True)]
    start = placed_photos(whole)
    state, spread = torch.zeros(1, 2), torch.full((2,), AXIS_SPREAD)
    for number in rounds:
        outlines = [outline_of(cutout.rgba[..., 3], number.rim) for cutout in cutouts]
        state = settled(state, lambda moved: replace(start, shift=start.shift - moved), spread, outlines, number)
    with torch.no_grad():
        placed = replace(start, shift=start.shift - state)
        slack = misses(outlines, placed, rounds[-1].samples).square().mean(1).sqrt()
    found = [
        replace(place, shift=(float(x), float(y)), slack=float(left))
        for place, (x, y), left in zip(whole, placed.shift, slack, strict=True)
    ]
    close = _closer(found)
    return close if max(place.slack for place in close) <= most else None


def best_turn(
    cutouts: Sequence[Cutout], sizes: Sequence[tuple[int, int] | None], cameras: Sequence[Camera], most: float
) -> float | None:
    """The last photo's azimuth, where it is unknown, against others of the same standing camera; degrees.

    None where no azimuth fits up to ``most``, or where quite another one fits as well: a bowl looks alike all around.
    """
    known = [size for size in sizes if size is not None]
    if len(known) < len(cutouts):
        return None
    outlines = [outline_of(cutout.rgba[..., 3], TURNS.rim) for cutout in cutouts]

    def miss(azimuth: float) -> float:
        posed = [*cameras[:-1], replace(cameras[-1], azimuth=azimuth % 360)]
        whole = [_in_photo(cutout, size, camera) for cutout, size, camera in zip(cutouts, known, posed, strict=True)]
        left = misses(outlines, placed_photos(whole), TURNS.samples).square().mean(1).sqrt()
        crop = max(FILL / place.zoom + max(map(abs, place.shift)) for place in whole) / LARGEST
        return float(left.max()) / crop

    coarse = {azimuth: miss(azimuth) for azimuth in np.arange(0, 360, COARSE)}
    tried = {azimuth: miss(azimuth) for azimuth in _around(min(coarse, key=coarse.__getitem__))}
    best = min(tried, key=tried.__getitem__)
    others = [azimuth for azimuth in coarse if abs((azimuth - best + 180) % 360 - 180) > ELSEWHERE]
    rival = min(others, key=coarse.__getitem__)
    if tried[best] > most or min(map(miss, _around(rival))) < max(DISTINCT * tried[best], most):
        return None
    return float(best % 360)


def _around(azimuth: float) -> NDArray[np.float64]:
    return np.asarray(azimuth + np.arange(-COARSE, COARSE + 1, 1.0), np.float64)


def _in_photo(cutout: Cutout, size: tuple[int, int], camera: Camera) -> Place:
    """How a cutout lies in its whole photo, the longer side of which is taken for the camera's field of view."""
    left, top, right, bottom = cutout.source_box
    width, height = size
    longer = max(size)
    return Place(camera, longer / (right - left), ((left + right - width) / longer, (top + bottom - height) / longer))


def _closer(places: Sequence[Place]) -> list[Place]:
    """The same cameras through a narrower frame and in a larger world, so that the product fills it."""
    reach = max(FILL / place.zoom + max(map(abs, place.shift)) for place in places)
    crop = reach / LARGEST
    return [
        Place(
            replace(
                place.camera,
                radius=place.camera.radius / crop,
                fov=degrees(2 * atan(tan(radians(place.camera.fov) / 2) * crop)),
            ),
            place.zoom * crop,
            (place.shift[0] / crop, place.shift[1] / crop),
            place.slack / crop,
        )
        for place in places
    ]
