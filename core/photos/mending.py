"""Files whose pixels are whole while what stands around them is damaged or missing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PNG = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"})
"""Chunks of which a PNG's pixels are made: damage there is never passed over."""
_END = b"\0\0\0\0IEND\xaeB`\x82"
_END_OF_JPEG = b"\xff\xd9"


def without_damaged_notes(data: bytes) -> bytes | None:
    """A PNG without the comments, times and profiles whose checksum is wrong, and with its last chunk; None where it
    has neither fault, or its pixels are not whole."""
    kept = [PNG]
    mended = False
    kind = b""
    for kind, chunk in _chunks(data):
        whole = int.from_bytes(chunk[-4:], "big") == zlib.crc32(chunk[4:-4])
        if whole:
            kept.append(chunk)
        elif kind in _PIXELS or kind[0] < ord("a"):  # a capital first letter: needed to read the picture
            return None
        mended |= not whole
    if kind != b"IEND":
        kept.append(_END)
        mended = True
    return b"".join(kept) if mended else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Whole chunks up to the last one, each with its kind."""
    at = len(PNG)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        kind = data[at + 4 : at + 8]
        yield kind, data[at:end]
        if kind == b"IEND":
            return
        at = end


def endings_of_jpeg(data: bytes) -> tuple[bytes, bytes] | None:
    """A JPEG that lacks its end, ended in two ways: where no pixel is missing, both show the same picture (a
    progressive one that was cut between two scans shows the coarser picture). None for one that is ended already."""
    if _END_OF_JPEG in data[-64:]:
        return None
    body = data.removesuffix(b"\xff")
    return body + _END_OF_JPEG, body + b"\x5a" * 64 + _END_OF_JPEG
