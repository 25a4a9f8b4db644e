"""What delivery channels accept, as one table. A megabyte is 10^6 bytes, a texture's size its longer side in texels."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InvalidRecipe


@dataclass(frozen=True)
class Profile:
    """The limits of one channel; None where it names none."""

    source: str
    max_bytes: int | None = None
    max_triangles: int | None = None
    max_vertices: int | None = None
    max_texture: int | None = None
    min_texture: int | None = None
    max_materials: int | None = None


_KHRONOS = "Khronos 3D Commerce, Asset Creation Guidelines, publishing targets"

PROFILES: dict[str, Profile] = {
    "khronos-mobile-ar": Profile(
        f"{_KHRONOS}: mobile AR", max_bytes=3_000_000, max_triangles=150_000, max_texture=2048
    ),
    "khronos-banner": Profile(f"{_KHRONOS}: banner ad", max_bytes=500_000, max_triangles=30_000, max_texture=512),
    "khronos-planner": Profile(
        f"{_KHRONOS}: room planner", max_bytes=1_000_000, max_triangles=40_000, max_texture=1024
    ),
    "google-merchant": Profile("Google Merchant Center help, 3D model link", max_bytes=15_000_000, max_texture=2048),
    "google-display": Profile("Google display ads, 3D asset requirements", max_bytes=3_000_000, max_vertices=30_000),
    "shopify": Profile("Shopify help, 3D models (about 4 MB is typical)", max_bytes=500_000_000, max_materials=1),
    "apple-quick-look": Profile("Apple, AR Quick Look content guidance", max_triangles=100_000),
    "amazon": Profile(
        "Amazon Seller Central, 3D model requirements", max_triangles=150_000, max_texture=4096, min_texture=2048
    ),
}
"""Profiles by name; a recipe names one in ``finish.profile``."""


def find_profile(name: str) -> Profile:
    """The profile called ``name``. Raises :class:`InvalidRecipe` with the names that exist."""
    try:
        return PROFILES[name]
    except KeyError:
        raise InvalidRecipe(f"There is no delivery profile '{name}': use one of {', '.join(PROFILES)}.") from None
