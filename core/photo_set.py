"""A photo with its place: what its camera saw, from where, and how its own frame lies in the frame that all share.

Every cutout is framed on its own (:mod:`core.segment.framing`): its product fills 200/256 of it, whatever the others
show. A place says how that frame lies in the common one: both are squares of [-1, 1], u to the right and v down, and a
point at ``w`` of the cutout lies at ``w / zoom + shift`` of the common frame, which the camera sees (its optical axis
through the middle, its field of view across). The world is the one of :mod:`core.cameras`, the main photo's azimuth 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, _pack, _unpack
from core.cameras import Camera
from core.records import to_json
from core.reports import ElevationFound

MAKING = 3
"""Raised whenever a later stage makes something else of the same photos. Their bytes hold it, so that the keys of what
is made from several photos change, and those of what is made from one stay."""


@dataclass(frozen=True)
class Place:
    """Where a photo's camera stood, and how its cutout lies in the common frame."""

    camera: Camera
    zoom: float = 1.0
    """How much larger the cutout shows the product than the common frame does."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Where the cutout's middle lies in the common frame."""
    slack: float = 0.0
    """How far the photo's outline may be off, in halves of the common frame's side: what placing it left over."""

    @property
    def plain(self) -> bool:
        """Whether the cutout's frame is the common one."""
        return self.zoom == 1 and self.shift == (0.0, 0.0)


@dataclass(frozen=True)
class PosedPhoto:
    """A cutout and its place."""

    cutout: Cutout
    place: Place

    @property
    def camera(self) -> Camera:
        return self.place.camera

    def framed(self) -> Cutout:
        """The cutout in the common frame, ``(512, 512, 4)``: what :attr:`camera` sees. The same where it lies in it."""
        if self.place.plain:
            return self.cutout
        from core.segment.framing import frame_straight

        size = self.cutout.rgba.shape[0]
        zoom, (x, y) = self.place.zoom, self.place.shift
        half = zoom * size / 2
        left, top = size / 2 - x * zoom * size / 2 - half, size / 2 - y * zoom * size / 2 - half
        square = (left, top, left + 2 * half, top + 2 * half)
        alpha = self.cutout.rgba[..., 3].astype(np.float32) / np.float32(255)
        rgba = frame_straight(self.cutout.rgba, alpha, square)
        box = self.cutout.source_box
        side = (box[2] - box[0]) / size
        source = (box[0] + left * side, box[1] + top * side, box[0] + square[2] * side, box[1] + square[3] * side)
        return replace(self.cutout, rgba=rgba, source_box=source)


@dataclass(frozen=True)
class PhotoSet:
    """The photos that an asset is made from, in one frame; the first is the main one."""

    photos: tuple[PosedPhoto, ...]
    elevation: ElevationFound = field(default_factory=ElevationFound)
    """How the main photo's elevation was found (:func:`core.zero123.views.photo_elevation`)."""
    painters: tuple[PosedPhoto, ...] = ()
    """Photos that say nothing of the shape and only colour it: their places but for the camera are found on the
    finished surface."""

    @property
    def main(self) -> PosedPhoto:
        return self.photos[0]

    @property
    def used(self) -> int:
        """How many photos there are, those that only colour among them."""
        return len(self.photos) + len(self.painters)

    @property
    def shaping(self) -> PhotoSet | None:
        """The set as whatever makes or judges a shape takes it; None where that is a single photo's."""
        return self if len(self.photos) > 1 else None

    def to_bytes(self) -> bytes:
        both = (*self.photos, *self.painters)
        arrays: dict[str, NDArray[Any]] = {f"rgba{i}": photo.cutout.rgba for i, photo in enumerate(both)}
        rows = [
            {name: item for name, item in vars(photo.cutout).items() if name != "rgba"} | {"place": asdict(photo.place)}
            for photo in both
        ]
        painters = {"painters": len(self.painters)} if self.painters else {}  # without any the bytes are as before
        return _pack(arrays, {"photos": rows, "elevation": to_json(self.elevation), "making": MAKING} | painters)

    @classmethod
    def from_bytes(cls, data: bytes) -> PhotoSet:
        arrays, meta = _unpack(data)
        photos = tuple(_photo(arrays[f"rgba{i}"], row) for i, row in enumerate(meta["photos"]))
        shaping = len(photos) - meta.get("painters", 0)
        return cls(photos[:shaping], ElevationFound.model_validate(meta["elevation"]), photos[shaping:])


def _photo(rgba: NDArray[np.uint8], row: dict[str, Any]) -> PosedPhoto:
    place = row["place"]
    cutout = Cutout(rgba, tuple(row["source_box"]), row["method"], row["confidence"], tuple(row["warnings"]))
    camera = Camera(**place["camera"])
    return PosedPhoto(cutout, Place(camera, place["zoom"], tuple(place["shift"]), place["slack"]))
