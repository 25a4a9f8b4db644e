"""Products and photos as a source shows them, before anything is taken in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MISSING = "missing"
"""Fingerprint of a photo that a manifest names and nobody delivered."""


@dataclass(frozen=True)
class NotNow:
    """Why a photo cannot be read now, in a sentence: its product waits as it stood."""

    sentence: str


ReadHash = Callable[["FoundPhoto"], "str | NotNow"]
"""Gives a photo's sha256."""


@dataclass(frozen=True)
class FoundPhoto:
    """A photo as the source shows it, not read yet."""

    source_uri: str
    file_stamp: str
    bytes: int
    licence: str | None = None
    attribution: str | None = None
    modified: float | None = None
    """When the source last saw it change, seconds since the epoch by the source's clock; not kept."""
    role: str = "unknown"
    azimuth: float | None = None
    elevation: float | None = None
    shot_index: int | None = None
    used_for: str = "main"


@dataclass(frozen=True)
class FoundProduct:
    """A product as the source shows it; the first photo is the one to build from."""

    sku: str
    name: str
    photos: tuple[FoundPhoto, ...]
    height_cm: float | None = None
    elevation: float | None = None
    licence: str | None = None
    width_cm: float | None = None
    depth_cm: float | None = None
    azimuth: float | None = None
    problem: str | None = None
    """Why the source's line about it cannot be used; it is quarantined with this sentence."""
    warnings: tuple[str, ...] = ()
    priority: int | None = None
    variant_of: str | None = None
