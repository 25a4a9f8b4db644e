"""A shot: which side of its product a photo shows, and where its camera stood.

Azimuth and elevation are the camera's, in degrees: 0 is the product's front, a positive azimuth moves the camera to
the right, a positive elevation up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """What a photo shows of its product."""

    FRONT = "front"
    BACK = "back"
    LEFT = "left"
    RIGHT = "right"
    SIDE = "side"
    """Left or right, the name does not say which."""
    TOP = "top"
    BOTTOM = "bottom"
    THREE_QUARTER = "three-quarter"
    FRAME = "frame"
    """Of a turntable."""
    DETAIL = "detail"
    PACKAGING = "packaging"
    LIFESTYLE = "lifestyle"
    SWATCH = "swatch"
    FACTS = "facts"
    PAIR = "pair"
    """Two of the product."""
    UNKNOWN = "unknown"


NO_GEOMETRY = frozenset({Role.DETAIL, Role.PACKAGING, Role.LIFESTYLE, Role.SWATCH, Role.FACTS, Role.PAIR})
"""Recorded, never used for a product's shape."""


Said = Literal["amazon", "gs1", "words", "number", "letter", "frame", "rendition", "inside", "nothing", "code"]
"""By which convention a name says what it says."""


@dataclass(frozen=True)
class Sides:
    """How a shop's names are to be read where conventions leave it open."""

    left: Literal["viewer", "product"] = "viewer"
    """``left`` is the side on the viewer's left (GS1's practice): azimuth -90. Or the product's own left: +90."""
    turntable: Literal["right", "left"] = "right"
    """Which way the camera seems to move from frame to frame."""


@dataclass(frozen=True)
class Shot:
    """One reading of one file name."""

    name: str
    """The file's name as it stands."""
    plain: str
    """The name without ending, marks of a copy and of a rendition: files of one picture share it."""
    stem: str
    """What is left without ending, copy marks and codes: the product, as far as this name tells."""
    role: Role = Role.UNKNOWN
    azimuth: float | None = None
    elevation: float | None = None
    index: int | None = None
    """Running number; letters count from a = 1."""
    frames: int | None = None
    """Frames in a whole turn, where the name says it."""
    state: str | None = None
    """GS1's packaging state: ``1`` in its packaging, ``0`` out of it, else the letter."""
    main: bool = False
    """The shop calls it its main photo."""
    copy: bool = False
    """Marked as a copy or a small version of another file."""
    said: Said = "nothing"
    joint: str = ""
    """The delimiter between stem and code."""
    digits: int = 0
    """How many digits the running number is written with."""
    behind: bool = False
    """Three quarters from the back."""
    assumed: bool = False
    """The role and pose follow from the file's place among its siblings, its name does not say them."""

    @property
    def geometric(self) -> bool:
        """Whether the photo shows the product's shape as it is sold, apart from its packaging."""
        return self.role not in NO_GEOMETRY

    @property
    def azimuths(self) -> tuple[float, ...]:
        """Where the camera may have stood; empty: anywhere."""
        if self.azimuth is not None:
            return (self.azimuth,)
        if self.role is Role.THREE_QUARTER:
            return (135.0, -135.0) if self.behind else (45.0, -45.0)
        return (90.0, -90.0) if self.role is Role.SIDE else ()


VIEWERS_SIDES = Sides()
"""The conventions that hold where nobody says otherwise."""


ANCHORS = 3
"""Photos with known sides, the main one among them, from which one without is placed: against fewer, most outlines fit
in several ways."""


AZIMUTHS = {Role.FRONT: 0.0, Role.RIGHT: 90.0, Role.BACK: 180.0, Role.LEFT: -90.0}


ELEVATIONS = {Role.TOP: 90.0, Role.BOTTOM: -90.0}


def posed(shot: Shot, sides: Sides) -> Shot:
    """With the azimuth and elevation that its role says."""
    azimuth, elevation = AZIMUTHS.get(shot.role), ELEVATIONS.get(shot.role)
    if shot.role in (Role.LEFT, Role.RIGHT) and sides.left == "product" and azimuth is not None:
        azimuth = -azimuth
    return replace(shot, azimuth=azimuth, elevation=elevation)
