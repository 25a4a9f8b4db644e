"""How large a photo is, by its header alone."""

from __future__ import annotations

from typing import BinaryIO

from core.errors import UnreadablePhoto

_SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""


def photo_size(stream: BinaryIO) -> tuple[int, int] | None:
    """Width and height in pixels of the upright picture; None where the header does not tell. Decodes nothing.

    Orientation is looked at in JPEG files alone: elsewhere asking for it decodes the picture.
    """
    from core.photos.decode import _open, _orientation

    try:
        image = _open(stream)
    except UnreadablePhoto:
        return None
    width, height = image.size
    sideways = image.format in {"JPEG", "MPO"} and _orientation(image) in _SIDEWAYS
    return (height, width) if sideways else (width, height)
