"""Pixels of any Pillow mode to 8-bit sRGB with straight alpha."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

_MAX_PROFILE_BYTES = 4 * 2**20
"""Real profiles have a few kilobytes, printing ones up to two megabytes."""


def to_eight_bits(image: Image) -> Image:
    """The same picture in one of the modes L, LA, RGB, RGBA, CMYK; 16 and 32 bits are scaled, not clipped.

    Transparency that the file keeps beside the pixels (a palette's, a colour key) becomes alpha, so the colour
    hidden under it never shows.
    """
    from PIL import Image as Images

    if image.mode.startswith("I") or image.mode == "F":
        gray = Images.fromarray(_scaled(image))
        key = image.info.get("transparency")
        if isinstance(key, int):
            gray.putalpha(Images.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8)))
        return gray
    if image.mode in {"L", "RGB"} and "transparency" not in image.info:
        return image
    if image.mode in {"LA", "RGBA", "CMYK"}:
        return image
    if image.mode == "La":
        return image.convert("LA")
    transparent = "transparency" in image.info or image.mode in {"PA", "RGBa"} or "A" in image.getbands()
    return image.convert("RGBA" if transparent else "RGB")


def _scaled(image: Image) -> NDArray[np.uint8]:
    """Integers of 16 bits to 8 (257 levels each); floats are 0..1 unless they say otherwise by exceeding it.

    Row by row in blocks, since four bytes a pixel several times over would not fit the memory promised.
    """
    width, height = image.size
    rows = max(1, 2**22 // width)

    def blocks() -> Iterator[tuple[slice, NDArray[Any]]]:
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            yield slice(top, bottom), np.asarray(image.crop((0, top, width, bottom)))

    result = np.empty((height, width), np.uint8)
    if image.mode == "F":
        top = max(float(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0).max()) for _, block in blocks())
        scale = np.float32(255.0 if top <= 1 else 1.0 if top <= 255 else 255 / 65535)
        for part, block in blocks():
            finite = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
            result[part] = np.clip(finite * scale + np.float32(0.5), 0, 255)
    else:
        for part, block in blocks():
            result[part] = (np.clip(block, 0, 65535).astype(np.uint32) + 128) // 257
    return result


def to_srgb(image: Image, profile: bytes | None) -> tuple[Image, tuple[str, ...]]:
    """An L, LA, RGB, RGBA or CMYK picture as RGBA in sRGB, and what a person should know about its profile.

    The alpha channel passes untouched. Without a profile sRGB is assumed, and Adobe's plain inversion for CMYK.
    """
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    color = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    warnings: tuple[str, ...] = ()
    if profile:
        try:
            color = _through_profile(color, profile)
        except (OSError, ValueError, TypeError):
            warnings = ("The colour profile is unusable; colours are taken as sRGB.",)
    result = color.convert("RGB")
    result.putalpha(255 if alpha is None else alpha)
    return result, warnings


def _through_profile(color: Image, data: bytes) -> Image:
    """``color`` converted from its ICC profile to sRGB; raises ValueError or OSError where that cannot be done."""
    from PIL import ImageCms

    if len(data) > _MAX_PROFILE_BYTES:
        raise ValueError("profile too large")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(data))
        space = source.profile.xcolor_space.strip()
        if space != {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}.get(color.mode):
            if space == "RGB" and color.mode == "L":
                color = color.convert("RGB")
            else:
                raise ValueError(f"a {space} profile on {color.mode} pixels")
        converted = ImageCms.profileToProfile(
            color, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
        )
    except ImageCms.PyCMSError as error:
        raise ValueError(str(error)) from error
    assert converted is not None  # only in-place conversion returns None
    return converted
