"""Products from file names: which photos of a source show one product, which one is its main photo, what each is for.

Written once for folders, prefixes in a store and lists of names: it sees paths and sizes, it opens nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath

from core.photos.files import REFUSED_EXTENSIONS
from core.photos.names import display_name, sku_text
from core.photos.shot import VIEWERS_SIDES, Role, Shot, Sides
from core.photos.shot_order import ShotFile, ShotPlace, order_shots
from core.photos.shot_sets import choose_readings, product_key, product_word
from core.photos.shot_words import words
from core.photos.shots import base_name, parse_shot


class Use(StrEnum):
    """What a photo is for."""

    MAIN = "main"
    """The asset is built from it."""
    GEOMETRY = "geometry"
    """Shows the product's shape too."""
    RECORD = "record"
    """Kept with its role; says nothing of the shape of the product as it is sold."""
    COPY = "copy"
    """Another file of a photo that is used."""
    UNREADABLE = "unreadable"
    """Its kind is not read here, or it is empty; a readable photo stands beside it."""


@dataclass(frozen=True)
class SourceFile:
    """A picture of a source: its path inside it, parts joined by ``/``, and its bytes where they are known."""

    path: str
    bytes: int | None = None

    @property
    def readable(self) -> bool:
        return self.bytes != 0 and PurePosixPath(self.path).suffix.lower() not in REFUSED_EXTENSIONS


@dataclass(frozen=True)
class ProductShot:
    """A photo of a product."""

    file: SourceFile
    shot: Shot
    use: Use


@dataclass(frozen=True)
class ProductShots:
    """A product and its photos, the main one first."""

    sku: str
    name: str
    shots: tuple[ProductShot, ...]


@dataclass(frozen=True)
class _Reading:
    """A file and what its name says; ``product``: what files of one product share."""

    file: SourceFile
    shot: Shot
    product: tuple[str, ...]


def group_shots(
    files: Iterable[SourceFile],
    *,
    group: bool = True,
    root: str = "",
    sides: Sides = VIEWERS_SIDES,
    known: Iterable[str] = (),
) -> list[ProductShots]:
    """Products of a source, by SKU; every file is in exactly one of them.

    A file directly in the source is a product, or one shot of a product where a sibling shares its stem and the rest
    is a known code or a running number. A folder with photos is one product, with its sub-folders that are named like
    shots (``detail``, ``360``), unless its files name several products by codes. ``group`` False: each file in the
    source is a product, each folder too. ``root``: the source's name, for photos that are only ``front`` and ``back``.
    ``known``: SKUs that the source showed before: the last photo left of one is not taken for another product.
    """
    folders: dict[tuple[str, ...], list[SourceFile]] = defaultdict(list)
    for file in sorted(files, key=lambda file: file.path):
        folders[_parts(file)[:-1]].append(file)
    found: list[_Reading] = []
    if not group:
        stems = Counter(base_name(file.path) for file in folders.get((), ()))
        for folder, inside in folders.items():
            found += [_ungrouped(file, folder, stems, sides) for file in inside]
    else:
        for product, inside in _by_owner(folders).items():
            found += (
                _of_folder(product, inside, root, sides)
                if product
                else _of_root(inside, sides, {sku.casefold() for sku in known})
            )
    products: dict[tuple[str, ...], list[_Reading]] = defaultdict(list)
    for reading in found:
        products[reading.product].append(reading)
    return _named(products, root, sides)


def _parts(file: SourceFile) -> tuple[str, ...]:
    """Folders and name; a key in a store may hold empty parts, which say nothing."""
    return tuple(part for part in file.path.split("/") if part) or (file.path,)


def _by_owner(folders: dict[tuple[str, ...], list[SourceFile]]) -> dict[tuple[str, ...], list[SourceFile]]:
    """Folders that are named like shots (``TEA-22/detail``) belong to the folder above."""
    owned: dict[tuple[str, ...], list[SourceFile]] = defaultdict(list)
    for folder, files in folders.items():
        owner = folder
        while len(owner) > 1 and folder_shot(owner[-1]) is not None:
            owner = owner[:-1]
        owned[owner] += files
    return owned


_PLACES = words("web print hires highres lowres originals original thumbs thumbnails raw jpg png tif psd")


def folder_shot(name: str) -> Shot | None:
    """What a folder's name says of the photos in it: a role, or that they are frames or files of the same shots."""
    plain = name.casefold().strip()
    if plain in _PLACES:
        return Shot(name, "", "")
    if plain in ("360", "spin", "turntable", "frames", "drehteller"):
        return Shot(name, "", "", role=Role.FRAME, said="frame")
    shot = parse_shot(name)
    return shot if shot.said == "words" and not shot.stem and shot.index is None else None


def _ungrouped(file: SourceFile, folder: tuple[str, ...], stems: Counter[str], sides: Sides) -> _Reading:
    if folder:
        return _Reading(file, parse_shot(file.path, sku=folder[-1], sides=sides), folder)
    stem = base_name(file.path)
    if stems[stem] > 1:  # mug.jpg and mug.png
        stem = file.path.replace(".", "-")
    return _Reading(file, replace(parse_shot(file.path, sides=sides), stem=stem), ("", file.path))


def _of_root(files: Sequence[SourceFile], sides: Sides, known: set[str]) -> list[_Reading]:
    shots = choose_readings([file.path for file in files], sides=sides, known=known)
    keys = _keys(files, shots)
    return [_Reading(file, shot, ("", key)) for file, shot, key in zip(files, shots, keys, strict=True)]


def _keys(files: Sequence[SourceFile], shots: Sequence[Shot]) -> list[str]:
    """One key a product; names that differ in nothing but case, with the same ending, are two products."""
    keys = [product_key(shot) for shot in shots]
    spellings: dict[tuple[str, str], set[str]] = defaultdict(set)
    for file, shot, key in zip(files, shots, keys, strict=True):
        if shot.said == "nothing" and not shot.copy:
            spellings[key, PurePosixPath(file.path).suffix.lower()].add(shot.stem)
    unlike = {key for (key, _), stems in spellings.items() if len(stems) > 1}
    return [
        f"{key}\0{shot.stem}" if key in unlike and shot.said == "nothing" else key
        for shot, key in zip(shots, keys, strict=True)
    ]


def _of_folder(folder: tuple[str, ...], files: Sequence[SourceFile], root: str, sides: Sides) -> list[_Reading]:
    names = [_parts(file)[-1] for file in files]
    if all(_parts(file)[:-1] == folder for file in files):
        shelf = choose_readings(names, sides=sides)
        if _is_shelf(shelf, folder[-1]):
            return [_Reading(file, shot, (*folder, product_key(shot))) for file, shot in zip(files, shelf, strict=True)]
    shots = choose_readings(names, sku=folder[-1], sides=sides)
    return [
        _Reading(file, _with_folder(shot, _parts(file)[len(folder) : -1], sides), folder)
        for file, shot in zip(files, shots, strict=True)
    ]


def _is_shelf(shots: Sequence[Shot], folder: str) -> bool:
    """Whether a folder's files name several products, each with several shots: it is no product but a shelf of them."""
    products = Counter(product_key(shot) for shot in shots)
    if len(products) < 2 or any(shot.said in ("nothing", "inside", "rendition") and not shot.copy for shot in shots):
        return False
    kinds = {shot.said for shot in shots}
    if kinds <= {"amazon", "gs1"}:
        return True
    plain = folder.casefold()
    return all(
        count > 1 and sum(c.isdigit() for c in key) >= 3 and key not in plain and plain not in key
        for key, count in products.items()
    )


def _with_folder(shot: Shot, places: tuple[str, ...], sides: Sides) -> Shot:
    """The role that the folder's name gives, where the file's own gives none or the folder shows no product's shape."""
    folders = [found for place in places if (found := folder_shot(place)) and found.role is not Role.UNKNOWN]
    said = folders[-1] if folders else None
    if said is None or (shot.role is not Role.UNKNOWN and said.geometric):
        return shot
    if said.role is Role.FRAME:
        return replace(shot, role=Role.FRAME, said="frame")
    posed = parse_shot(said.name, sides=sides)
    return replace(shot, role=posed.role, azimuth=posed.azimuth, elevation=posed.elevation)


def _named(products: dict[tuple[str, ...], list[_Reading]], root: str, sides: Sides) -> list[ProductShots]:
    """Products by SKU. Where two have one SKU, the one that lies higher keeps it, the other says its place as well."""
    named: dict[str, ProductShots] = {}
    for product, found in sorted(products.items(), key=lambda item: (item[0][0] != "", len(item[0]), item[0])):
        sku, name = _words_of(product, found, root)
        sku = sku_text(sku)
        if sku in named:
            sku = sku_text(f"{sku}-{hashlib.sha256(repr(product).encode()).hexdigest()[:8]}")
        named[sku] = ProductShots(sku, display_name(name), _used(found, sides))
    return [named[sku] for sku in sorted(named)]


def _words_of(product: tuple[str, ...], found: list[_Reading], root: str) -> tuple[str, str]:
    """SKU and name of a product."""
    if product[0] and _is_folder(product, found):
        return "-".join(product), "/".join(product)
    spellings = Counter(product_word(reading.shot.stem) for reading in found)
    (sku, name), _ = min(spellings.items(), key=lambda item: (-item[1], item[0]))
    return sku or root or "photos", name or sku or root or "photos"


def _is_folder(product: tuple[str, ...], found: list[_Reading]) -> bool:
    return _parts(found[0].file)[: len(product)] == product


def _used(found: list[_Reading], sides: Sides) -> tuple[ProductShot, ...]:
    ordered = order_shots([ShotFile(r.shot, r.file.path, r.file.bytes or 0, r.file.readable) for r in found], sides)
    shots: list[ProductShot] = []
    for place in ordered:
        file = found[place.at].file
        shots.append(ProductShot(file, place.shot, use_of(file, place, first=not shots)))
    return tuple(shots)


def use_of(file: SourceFile, place: ShotPlace, *, first: bool) -> Use:
    """What a photo is for; ``first``: it is the main one."""
    if first:
        return Use.MAIN
    if not file.readable:
        return Use.UNREADABLE
    if place.copy:
        return Use.COPY
    return Use.GEOMETRY if place.fits and place.shot.geometric else Use.RECORD
