"""What delivery channels accept, as one table. A megabyte is 10^6 bytes, a texture's size its longer side in texels."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InvalidRecipe


@dataclass(frozen=True)
class Profile:
    """The limits of one channel; None where it names none."""

    source: str
    url: str
    """Where the figures stand in public; read on 2026-11-22."""
    max_bytes: int | None = None
    max_triangles: int | None = None
    max_vertices: int | None = None
    max_texture: int | None = None
    min_texture: int | None = None
    max_materials: int | None = None


_KHRONOS = "Khronos 3D Commerce, Asset Creation Guidelines 1.0, publishing targets"
# Its text names other figures for banners (1 MB, 60k triangles) than its table; the table is stricter and is taken.
_KHRONOS_URL = (
    "https://github.com/KhronosGroup/3DC-Asset-Creation/blob/main/asset-creation-guidelines/full-version/"
    "sec99_PublishingTargets/PublishingTargets.md"
)

PROFILES: dict[str, Profile] = {
    "khronos-mobile-ar": Profile(
        f"{_KHRONOS}: mobile AR", _KHRONOS_URL, max_bytes=3_000_000, max_triangles=150_000, max_texture=2048
    ),
    "khronos-banner": Profile(
        f"{_KHRONOS}: banner ad", _KHRONOS_URL, max_bytes=500_000, max_triangles=30_000, max_texture=512
    ),
    "khronos-planner": Profile(
        f"{_KHRONOS}: room planner", _KHRONOS_URL, max_bytes=1_000_000, max_triangles=40_000, max_texture=1024
    ),
    "google-merchant": Profile(
        "Google Merchant Center help, 3D model link: 15 MB at most (10 recommended), textures up to 2K",
        "https://support.google.com/merchants/answer/13674896",
        max_bytes=15_000_000,
        max_texture=2048,
    ),
    "google-display": Profile(
        "Google Display & Video 360 help, 3D assets guide",
        "https://support.google.com/displayvideo/answer/9794085",
        max_bytes=3_000_000,
        max_vertices=30_000,
        max_texture=2048,
    ),
    "shopify": Profile(
        "Shopify help, 3D modeling checklist: below 500 MB, about 4 MB is typical; one material",
        "https://help.shopify.com/en/partners/resources/creating-media/3d-models/creating-3d-models/3d-modeling-checklist",
        max_bytes=500_000_000,
        max_materials=1,
    ),
    "apple-quick-look": Profile(
        "Apple, AR Quick Look (WWDC 2018, confirmed by its engineers in 2021): 100k polygons, textures of 2048",
        "https://developer.apple.com/forums/thread/693867",
        max_triangles=100_000,
        max_texture=2048,
    ),
    "amazon": Profile(
        "Amazon Seller Central, general 3D guidelines (behind a login; the address is a seller's copy of them)",
        "http://www.alicucu.com/post/2227.html",
        max_triangles=150_000,
        max_texture=4096,
        min_texture=2048,
    ),
}
"""Profiles by name; a recipe names one in ``finish.profile``."""


def find_profile(name: str) -> Profile:
    """The profile called ``name``. Raises :class:`InvalidRecipe` with the names that exist."""
    try:
        return PROFILES[name]
    except KeyError:
        raise InvalidRecipe(f"There is no delivery profile '{name}': use one of {', '.join(PROFILES)}.") from None
