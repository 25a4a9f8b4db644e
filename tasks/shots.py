"""From the photos of a source to its products: one way for folders, prefixes in a store and archives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.photos.grouping import ProductShots, SourceFile, Use, group_shots
from core.photos.names import display_name
from core.photos.shots import VIEWERS_SIDES, Shot, Sides
from db.catalogue import FoundPhoto, FoundProduct

STEEPEST = 60.0
"""The view model was trained between the horizon and here: a steeper camera is recorded, not handed to it."""


@dataclass(frozen=True)
class Scan:
    """What a source shows."""

    products: list[FoundProduct]
    """By SKU."""
    notes: tuple[str, ...] = ()
    """What was passed over and is worth a sentence."""


def found_products(
    photos: Mapping[str, FoundPhoto], *, group: bool = True, root: str = "", sides: Sides = VIEWERS_SIDES
) -> list[FoundProduct]:
    """Products of a source, by SKU. ``photos``: by their path inside it, parts joined by ``/``."""
    files = [SourceFile(path, photo.bytes) for path, photo in photos.items()]
    return [_found(product, photos) for product in group_shots(files, group=group, root=root, sides=sides)]


def _found(product: ProductShots, photos: Mapping[str, FoundPhoto]) -> FoundProduct:
    main = product.shots[0].shot
    told = tuple(with_shot(photos[shot.file.path], shot.shot, shot.use) for shot in product.shots)
    warnings = tuple(_warning(shot.file) for shot in product.shots if shot.use is Use.UNREADABLE)
    said = main if not main.assumed else replace(main, azimuth=None, elevation=None)
    steep = said.elevation is not None and abs(said.elevation) > STEEPEST
    return FoundProduct(
        product.sku,
        product.name,
        told,
        azimuth=said.azimuth,
        elevation=None if steep else said.elevation,
        warnings=warnings,
    )


def with_shot(photo: FoundPhoto, shot: Shot, use: Use) -> FoundPhoto:
    """The photo with what its name says."""
    return replace(
        photo,
        role=shot.role.value,
        azimuth=shot.azimuth,
        elevation=shot.elevation,
        shot_index=shot.index,
        used_for=use.value,
    )


def _warning(file: SourceFile) -> str:
    name = display_name(file.path.rsplit("/", 1)[-1])
    if file.bytes == 0:
        return f"{name} is empty: upload it again. Another photo is used."
    return f"{name} is of a kind that is not read here: save it as JPEG, PNG or TIFF. Another photo is used."
