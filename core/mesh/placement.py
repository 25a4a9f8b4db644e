"""Where a finished model stands: in metres where its size is known, on the ground, its front towards +Z."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import MeshFailed
from core.mesh.values import AssetAbout
from core.reports import FinishReport, PlacementReport

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """From the field's world, whose +Z looks at the photo's camera, to the published file's frame."""

    scale: float
    offset: Points
    """``(3,)``, added after the turn."""
    turn: float = 0.0
    """Degrees about +Y: the azimuth of the photo's camera, counted from the product's front."""

    def turned(self, directions: Points) -> Points:
        """Directions or positions ``(N, 3)`` about +Y only."""
        return _about_y(directions, self.turn)

    def place(self, positions: Points) -> Points:
        """Positions ``(N, 3)`` of the field's world in the file."""
        return np.asarray((self.turned(positions) + self.offset) * self.scale)

    def back(self, positions: Points) -> Points:
        """Positions ``(N, 3)`` of the file in the field's world."""
        return _about_y(positions / self.scale - self.offset, -self.turn)

    def report(self) -> PlacementReport:
        """``turn`` only where there is one."""
        turn = {"turn": self.turn} if self.turn else {}
        return PlacementReport(scale=self.scale, offset=self.offset.tolist(), **turn)

    @classmethod
    def from_report(cls, report: FinishReport) -> Placement | None:
        """What a finish stage's report says of it; None where it says nothing."""
        said = report.placement
        return None if said is None else cls(said.scale, np.asarray(said.offset, np.float64), said.turn)


def placement_of(vertices: Points, about: AssetAbout) -> Placement:
    """How a mesh ``(V, 3)`` of the field's world is put into its file: turned so that the product's front looks along
    +Z, standing on the origin, centred, scaled by the first known side of height, width and depth, else one unit long.

    Raises :class:`MeshFailed` for a flat one.
    """
    turn = float(about.azimuth or 0.0)
    turned = _about_y(vertices, turn)
    low, high = turned.min(0), turned.max(0)
    size = high - low
    if size.min() <= 0:
        raise MeshFailed("The mesh is flat: it has no height, width or depth.")
    offset = -np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    known = about.known_side
    scale = 1 / size.max() if known is None else known.centimetres / 100 / size[known.axis]
    return Placement(float(scale), offset, turn)


def _about_y(points: Points, degrees: float) -> Points:
    if not degrees:
        return points
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y, z = points.T
    return np.asarray(np.stack([c * x + s * z, y, c * z - s * x], 1))
