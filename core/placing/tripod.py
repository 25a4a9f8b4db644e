"""Photos that one camera took from where it stood, the product turned: their own frames are the common one.

A studio's camera stands on a tripod while the product is turned before it, and nothing is cropped. Then where each
cutout lay in its photo says all that :mod:`core.placing.frame` would have to search, and says it exactly. Outlines that
do not meet in that frame belong to photos that were cropped, or taken from other distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import atan, degrees, radians, tan

from core.artifacts import Cutout
from core.cameras import Camera
from core.placing.frame import LARGEST, Round, misses, placed_photos, settled
from core.placing.outlines import outline_of
from core.placing.values import Place
from core.segment.framing import FILL

ROUNDS = (Round(40, 64, 24, 0.02), Round(40, 160, 48, 0.005))

AXIS_SPREAD = 0.05
"""Standard deviation of where the product's middle lies off the photo's, in halves of its longer side."""

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
