"""What a photo may cost to read, and what the method needs of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PhotoLimits:
    """Checked from the file's header, before a pixel is decoded, where the header can tell."""

    max_bytes: int = 256 * 2**20
    """Largest file: an 80-megapixel BMP or TIFF still fits."""
    max_pixels: int = 80_000_000
    """Below Pillow's own warning (89 megapixels); with the codecs' working copies this stays under 1 GiB."""
    max_pixels_heavy: int = 50_000_000
    """For WebP, AVIF and HEIC, whose decoders hold several full-size copies: a WebP of 50 megapixels takes 870 MiB."""
    max_scans: int = 100
    """Scans of one JPEG: a progressive photo has about ten, a file made to stall a decoder thousands."""
    min_side: int = 128
    """Shorter side, pixels."""
    working_pixels: int = 2048 * 2048
    """Larger photos are scaled down to this many pixels right after decoding."""
    wide_aspect: float = 4.0
    """Longer over shorter side from which a photo carries a warning."""
    widest_aspect: float = 50.0
    """Longer over shorter side beyond which it is refused: scaled down, such a strip is a line."""
    blur_warning: float = 3.0
    """Standard deviation of the sharpest edges, in pixels of a photo whose longer side is 512: a warning."""
    blur_limit: float = 6.0
    """The same figure beyond which the photo is refused."""
