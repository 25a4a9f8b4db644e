"""From the photos of a source to its products: one way for folders, prefixes in a store and archives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from core.photos.grouping import ProductShots, SourceFile, Use, group_shots
from core.photos.names import display_name
from core.photos.shot import VIEWERS_SIDES, Role, Shot, Sides
from db.found import FoundPhoto, FoundProduct


@dataclass(frozen=True)
class Scan:
    """What a source shows."""

    products: Iterable[FoundProduct]
    """By SKU; those of a manifest are made as they are asked for, once."""
    notes: tuple[str, ...] = ()
    """What was passed over and is worth a sentence."""
    unread: str | None = None
    """A part of the source that could not be looked at, in a sentence: what is not seen may stand there."""


@dataclass(frozen=True)
class Reading:
    """How file names are read."""

    group: bool = True
    """Photos of one stem are one product."""
    sides: Sides = VIEWERS_SIDES
    known: frozenset[str] = frozenset()
    """SKUs that the source showed before."""


AS_NAMED = Reading()


def found_products(
    photos: Mapping[str, FoundPhoto], *, root: str = "", reading: Reading = AS_NAMED
) -> list[FoundProduct]:
    """Products of a source, by SKU. ``photos``: by their path inside it, parts joined by ``/``."""
    files = [SourceFile(path, photo.bytes) for path, photo in photos.items()]
    return [
        _found(product, photos)
        for product in group_shots(files, group=reading.group, root=root, sides=reading.sides, known=reading.known)
    ]


def _found(product: ProductShots, photos: Mapping[str, FoundPhoto]) -> FoundProduct:
    told = [(photos[shot.file.path], shot.shot, shot.use) for shot in product.shots]
    return product_with_shots(FoundProduct(product.sku, product.name, ()), told)


def product_with_shots(product: FoundProduct, shots: Sequence[tuple[FoundPhoto, Shot, Use]]) -> FoundProduct:
    """The product with its photos, the main one first: its pose is the product's, where it is said and not assumed.
    From straight above the view model has seen nothing: that is recorded, not handed to it.
    """
    main = shots[0][1]
    steep = main.role in (Role.TOP, Role.BOTTOM)
    return replace(
        product,
        photos=tuple(with_shot(photo, shot, use) for photo, shot, use in shots),
        azimuth=None if main.assumed else main.azimuth,
        elevation=None if steep else main.elevation,
        warnings=(*product.warnings, *(_warning(photo) for photo, _, use in shots if use is Use.UNREADABLE)),
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


def _warning(photo: FoundPhoto) -> str:
    name = display_name(unquote(photo.source_uri.rsplit("/", 1)[-1]))
    if photo.bytes == 0:
        return f"{name} is empty: upload it again. Another photo is used."
    return f"{name} is of a kind that is not read here: save it as JPEG, PNG or TIFF. Another photo is used."
