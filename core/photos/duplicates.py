"""A perceptual hash under which the same picture stays the same when it is resized or compressed again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Photo

NEAR_DUPLICATE_DISTANCE = 16
"""Bits (of 768) up to which two perceptual hashes are called the same picture; measured in ``docs/lab``."""

SAME_STRUCTURE = 32
"""Bits (of the 256 of structure) up to which two pictures show one thing. Twenty-five photographs of different products
lie 108 bits apart or more; the same in four other hues each, smaller and compressed, mostly 30 or less."""

_STRUCTURE = 256

_CHROMA_STEPS = np.array([-58, -46, -36, -28, -20, -14, -8, -3, 3, 8, 14, 20, 28, 36, 46, 58])


def near_duplicate_hash(photo: Photo) -> str:
    """768 bits as 192 hexadecimal digits: the signs of 255 low DCT frequencies of luma, and 4×4 chroma levels.

    The DCT half is the well-known pHash at 16×16. Colour counts as well, because the same mug in red and in blue
    is two products: Cb and Cr of 4×4 cells as thermometer codes, finer near grey.
    """
    from PIL import Image
    from scipy.fft import dctn

    over_white = Image.alpha_composite(Image.new("RGBA", photo.rgba.shape[1::-1], "white"), Image.fromarray(photo.rgba))
    ycc = over_white.convert("RGB").convert("YCbCr")
    luma = np.asarray(ycc.getchannel(0).resize((64, 64), Image.Resampling.BOX), np.float64)
    frequencies = dctn(luma, norm="ortho")[:16, :16].ravel()
    frequencies[0] = 0  # brightness alone does not make another picture
    structure = frequencies > np.median(frequencies)
    chroma = np.stack(
        [np.asarray(ycc.getchannel(c).resize((4, 4), Image.Resampling.BOX), np.float64) - 128 for c in (1, 2)]
    )
    levels = chroma[..., None] > _CHROMA_STEPS
    return _hexadecimal(np.concatenate([structure, levels.ravel()]))


def hash_distance(first: str, second: str) -> int:
    """Number of different bits of two perceptual hashes."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def nearest_picture(perceptual_hash: str, others: Sequence[str]) -> int | None:
    """Index of the nearest of other hashes, None where none is within :data:`NEAR_DUPLICATE_DISTANCE`.

    Ten thousand take about a millisecond: one exclusive or over all of them.
    """
    alike = [index for index, other in enumerate(others) if len(other) == len(perceptual_hash)]
    if not alike:
        return None
    known = np.frombuffer(bytes.fromhex("".join(others[index] for index in alike)), np.uint8).reshape(len(alike), -1)
    different = known ^ np.frombuffer(bytes.fromhex(perceptual_hash), np.uint8)
    distances = np.bitwise_count(different).sum(1, dtype=np.int64)
    best = int(distances.argmin())
    return alike[best] if distances[best] <= NEAR_DUPLICATE_DISTANCE else None


def nearest_in_another_colour(perceptual_hash: str, others: Sequence[str]) -> int | None:
    """Index of the hash of the same structure and other colours, None where there is none."""
    nearest, least = None, SAME_STRUCTURE + 1
    for index, other in enumerate(others):
        if len(other) != len(perceptual_hash) or hash_distance(perceptual_hash, other) <= NEAR_DUPLICATE_DISTANCE:
            continue
        digits = _STRUCTURE // 4
        distance = hash_distance(perceptual_hash[:digits], other[:digits])
        if distance < least:
            nearest, least = index, distance
    return nearest


def _hexadecimal(bits: NDArray[np.bool_]) -> str:
    return np.packbits(bits).tobytes().hex()
