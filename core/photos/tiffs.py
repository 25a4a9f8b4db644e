"""Kinds of TIFF that Pillow opens and decodes wrongly, found by writing 1,500 kinds and reading them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 258, 259, 262, 284, 339
_FLOAT = 3


def misread(image: Image) -> str | None:
    """What of a TIFF's pixels would come out wrong, as the middle of a sentence; None where it is read as it is."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    bits = max(_numbers(tags.get(_BITS, 1)))
    formats = set(_numbers(tags.get(_SAMPLE_FORMAT, 1)))
    raw = tags.get(_COMPRESSION, 1) == 1
    if bits == 16 and tags.get(_PLANAR, 1) == 2 and raw and len(_numbers(tags[_BITS])) > 1:
        return "keeps its colours in separate planes of 16 bits"
    if bits in (12, 16, 32) and formats != {1} and _FLOAT not in formats:
        return f"has signed pixels of {bits} bits"
    if bits == 12 or (bits == 32 and _FLOAT not in formats):
        return f"has pixels of {bits} bits"
    if bits > 8 and tags.get(_PHOTOMETRIC) == 0:
        return f"has inverted pixels of {bits} bits"
    if _FLOAT in formats and not raw and image.tag_v2.prefix == b"MM":  # type: ignore[attr-defined]
        return "has compressed floating-point pixels in the older byte order"
    return None


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple) else (int(value),)
