"""The padded primitive table: what an object is, as tensors. A row is one primitive with its place, size and paint.

An object is a list of rows, folded in order: ``UNION`` adds, ``SUBTRACT`` cuts, ``INTERSECT`` keeps, ``PAINT`` only
recolours what lies inside it (labels, eyes, screens). Rows live in the object's own frame (Y up, front +Z, any size);
``center`` and ``scale`` bring it into the dataset's frame, where the bounding box is centred and its longest side is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import torch
from torch import Tensor

BOX, ELLIPSOID, LATHE, POLAR, CAPSULE, ARC, WARP = range(7)
"""Primitive kinds; :mod:`training.procedural.shapes` has their formulas. The axis of every primitive is its local Y."""

UNION, SUBTRACT, INTERSECT, PAINT = range(4)

KNOTS: Final = 48
"""Samples of a lathe's radius along its axis, or of a polar outline around it."""

SIZES: Final = 10
"""Size parameters a row: their meaning depends on the kind."""

TEXTURE: Final = 8
"""Texture parameters a row: scale, angle, contrast, seed, gloss, mapping, two spare ones of the pattern."""


@dataclass
class Row:
    """One primitive while an object is being put together (object's frame, any unit)."""

    kind: int
    size: Sequence[float]
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    """Rows of the matrix that takes object axes to local axes."""
    op: int = UNION
    blend: float = 0.0
    mirror: tuple[bool, bool] = (False, False)
    """Reflected at x = 0, at z = 0: one row makes two or four legs."""
    knots: Sequence[float] | None = None
    pattern: int = 0
    colors: tuple[tuple[float, float, float], ...] = ((0.7, 0.7, 0.7),)
    texture: Sequence[float] = (1.0,)
    info: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectTable:
    """``B`` objects of at most ``P`` rows, as tensors on one device."""

    seeds: tuple[int, ...]
    names: tuple[str, ...]
    """The product family of each object (``mug``, ``chair``, ``wild``, ...)."""
    kind: Tensor
    """``(B, P)`` int64; -1 pads."""
    op: Tensor
    """``(B, P)`` int64."""
    blend: Tensor
    """``(B, P)``: width of the smooth transition, object units."""
    mirror: Tensor
    """``(B, P, 2)`` bool."""
    place: Tensor
    """``(B, P, 12)``: rotation to local axes (row-major 9), translation (3)."""
    size: Tensor
    """``(B, P, SIZES)``."""
    knots: Tensor
    """``(B, P, KNOTS)``."""
    pattern: Tensor
    """``(B, P)`` int64."""
    colors: Tensor
    """``(B, P, 3, 3)``: up to three sRGB colours in 0..1."""
    texture: Tensor
    """``(B, P, TEXTURE)``."""
    center: Tensor
    """``(B, 3)``, object units."""
    scale: Tensor
    """``(B,)``: object units that one dataset unit holds."""

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def device(self) -> torch.device:
        return self.kind.device

    def to(self, device: torch.device | str) -> ObjectTable:
        """The same objects on another device."""
        moved: dict[str, Any] = {
            f.name: v.to(device) for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)

    def reordered(self, order: Tensor) -> ObjectTable:
        """The objects of ``order (N,)``, in that order."""
        moved: dict[str, Any] = {
            f.name: v[order] for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)
        }
        places = order.tolist()
        names, seeds = (tuple(values[i] for i in places) for values in (self.names, self.seeds))
        return replace(self, **moved, names=names, seeds=seeds)

    def pick(self, start: int, stop: int) -> ObjectTable:
        """Objects ``start`` to ``stop`` (exclusive), padding beyond their longest list removed."""
        rows = int((self.kind[start:stop] >= 0).sum(1).max())
        values: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Tensor) and f.name not in ("center", "scale"):
                values[f.name] = value[start:stop, :rows]
            else:
                values[f.name] = value[start:stop]
        return ObjectTable(**values)


def build_table(seeds: Sequence[int], names: Sequence[str], objects: Sequence[Sequence[Row]]) -> ObjectTable:
    """Pack row lists into one padded table (CPU, not yet normalised)."""
    count = max(len(rows) for rows in objects)
    flat: dict[str, list[Any]] = {
        name: [] for name in ("kind", "op", "blend", "mirror", "place", "size", "knots", "pattern")
    }
    colors: list[list[float]] = []
    texture: list[list[float]] = []
    pad = Row(-1, ())
    for rows in objects:
        for row in [*rows, *[pad] * (count - len(rows))]:
            flat["kind"].append(row.kind)
            flat["op"].append(row.op)
            flat["blend"].append(row.blend)
            flat["mirror"].append(row.mirror)
            flat["place"].append([*row.turn[0], *row.turn[1], *row.turn[2], *row.at])
            flat["size"].append([*row.size, *[0.0] * (SIZES - len(row.size))])
            flat["knots"].append(row.knots if row.knots is not None else [1.0] * KNOTS)
            flat["pattern"].append(row.pattern)
            three = [*row.colors, *[row.colors[-1]] * (3 - len(row.colors))][:3]
            colors.append([c for color in three for c in color])
            texture.append([*row.texture, *[0.0] * (TEXTURE - len(row.texture))])

    def pack(values: object, dtype: torch.dtype, *shape: int) -> Tensor:
        return torch.tensor(values, dtype=dtype).reshape(len(objects), count, *shape)

    return ObjectTable(
        seeds=tuple(int(s) for s in seeds),
        names=tuple(names),
        kind=pack(flat["kind"], torch.int64),
        op=pack(flat["op"], torch.int64),
        blend=pack(flat["blend"], torch.float32),
        mirror=pack(flat["mirror"], torch.bool, 2),
        place=pack(flat["place"], torch.float32, 12),
        size=pack(flat["size"], torch.float32, SIZES),
        knots=pack(flat["knots"], torch.float32, KNOTS),
        pattern=pack(flat["pattern"], torch.int64),
        colors=pack(colors, torch.float32, 3, 3),
        texture=pack(texture, torch.float32, TEXTURE),
        center=torch.zeros(len(objects), 3),
        scale=torch.ones(len(objects)),
    )
