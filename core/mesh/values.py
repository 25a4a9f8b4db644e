"""What the finish stage is told about an asset, and what it hands back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.reports import FinishReport


@dataclass(frozen=True)
class KnownSide:
    """One side of a product whose real length is known."""

    name: str
    """``high``, ``wide`` or ``deep``."""
    axis: int
    """Of the file: 0 for X, 1 for Y, 2 for Z."""
    centimetres: float


@dataclass(frozen=True)
class AssetAbout:
    """What a published file says about itself."""

    sku: str
    asset_id: str
    recipe_hash: str
    checkpoint: str
    checkpoint_licence: str
    copyright: str = ""
    height_cm: float | None = None
    """The product's real height, as far as it is known; ``width_cm`` and ``depth_cm``: its other sides. Without any of
    them the file's longest side is one unit, and the file says so."""
    photos: int = 1
    """How many photos of the product it was made from."""
    width_cm: float | None = None
    depth_cm: float | None = None
    azimuth: float | None = None
    """Degrees from the product's front to the photo's camera; None where nobody said which side is the front."""

    @property
    def known_side(self) -> KnownSide | None:
        """The side that scales the file: the height before the others, as every photo shows it whole."""
        sides = (("high", 1, self.height_cm), ("wide", 0, self.width_cm), ("deep", 2, self.depth_cm))
        return next((KnownSide(name, axis, length) for name, axis, length in sides if length), None)


@dataclass(frozen=True)
class Finished:
    """The files of one asset by name (``model.glb``, ``lod1.glb``, ...) and what was measured while making them."""

    files: dict[str, bytes]
    report: FinishReport


@dataclass(frozen=True)
class Model:
    """A textured mesh as it is published: glTF axes, one primitive, one material. UV origin at the top left."""

    vertices: NDArray[np.float32]
    """``(V, 3)``, metres."""
    normals: NDArray[np.float32]
    """``(V, 3)`` unit."""
    faces: NDArray[np.int64]
    """``(F, 3)``."""
    uv: NDArray[np.float32] | None = None
    """``(V, 2)``."""
    texture: bytes | None = None
    """An encoded base-colour image."""
    texture_type: str = "image/jpeg"
    colors: NDArray[np.uint8] | None = None
    """``(V, 3)`` sRGB, where there is no texture."""

    def texels(self) -> NDArray[np.uint8] | None:
        """The decoded texture, ``(h, w, 3)`` sRGB, or None."""
        if self.texture is None:
            return None
        import io

        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(self.texture)).convert("RGB"))
