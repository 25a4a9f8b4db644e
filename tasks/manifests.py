"""Catalogues as tables: the products of a manifest, with the photos that lie beside it."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

from core.catalogue.manifest import ListedProduct, products_of, read_lines
from core.photos.grouping import SourceFile, Use, use_of
from core.photos.names import display_name, sku_text
from core.photos.shot import VIEWERS_SIDES, Role, Shot, Sides, posed
from core.photos.shot_order import RANKS, ShotFile, ShotPlace, order_shots
from core.photos.shot_sets import choose_readings
from db.found import FoundProduct
from tasks.named_files import NamedPhoto, look_up
from tasks.shots import Scan, product_with_shots
from tasks.sources import found_photo, missing_photo

SERVES = 3
"""The rank up to which the photo that a manifest names first is the main one, whatever the others show."""

MOST_FAULTS = 3
"""Missing photos that a product's sentence names."""


def scan_manifest(path: Path, *, sides: Sides = VIEWERS_SIDES) -> Scan:
    """Products of a manifest by SKU, made as they are asked for. Photo paths are relative to it and never leave its
    folder. A line that cannot be used is a product with a problem. Raises :class:`InputError` for what is no manifest.
    """
    manifest = read_lines(path)
    products = products_of(manifest, path.name)
    first = next(products, None)  # every line has been read now, so that columns nobody asked for are known
    notes = []
    if manifest.unknown:
        names = ", ".join(f"'{name}'" for name in dict.fromkeys(manifest.unknown))
        notes.append(f"Columns of {display_name(path.name)} that are passed over: {names}.")
    if manifest.passed:
        rows = ", ".join(f"{row:,}" for row in manifest.passed[:MOST_FAULTS])
        notes.append(f"Rows of {display_name(path.name)} that sum up others are passed over: {rows}.")
    notes += manifest.notes
    listed = iter(()) if first is None else chain([first], products)
    return Scan((_product(path, product, sides) for product in listed), tuple(notes))


def _product(manifest: Path, listed: ListedProduct, sides: Sides) -> FoundProduct:
    looked = [look_up(manifest.parent, photo) for photo in listed.photos]
    place = f"of {display_name(manifest.name)}"
    faults = [f"{listed.entry} {found.photo.line} {place}: {_ended(found.fault)}" for found in looked if found.fault]
    files = [(found.photo, path) for found in looked for path in found.paths]
    problems = list(listed.problems) if files else [*listed.problems, *faults[:MOST_FAULTS]]
    facts = dict(listed.facts)
    licence, attribution = facts.get("licence"), facts.pop("attribution", None)
    product = FoundProduct(
        sku_text(listed.sku),
        display_name(" ".join((facts.pop("name", None) or listed.sku).split())),
        (),
        problem=" ".join(problems) or None,
        warnings=tuple(f"{fault} Another photo is used." for fault in faults) if files else (),
        **facts,
    )
    if not files:
        wanted = looked[0].wanted if looked else manifest / f"#{listed.sku}"
        return replace(product, photos=(replace(missing_photo(wanted, licence), attribution=attribution),))
    photos = [replace(found_photo(path, licence), attribution=attribution) for _, path in files]
    shots = _shots(
        listed.sku, [(named, path.name, photo.bytes) for (named, path), photo in zip(files, photos, strict=True)], sides
    )
    return product_with_shots(product, [(photos[at], shot, use) for at, shot, use in shots])


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(("?", ".")) else f"{sentence}."


def _shots(sku: str, files: list[tuple[NamedPhoto, str, int]], sides: Sides) -> list[tuple[int, Shot, Use]]:
    """Place in the list, shot and use of each photo, the main one first, the others as the manifest has them.

    The first photo is the best view, unless it shows the back, a detail or the like and a better one is there.
    """
    read = choose_readings([name for _, name, _ in files], sku=sku, sides=sides)
    shots = [_stated(shot, named, sides) for shot, (named, _, _) in zip(read, files, strict=True)]
    sources = [SourceFile(name, size) for _, name, size in files]
    pictured = [
        ShotFile(s, f"{at:03}", f.bytes or 0, f.readable) for at, (s, f) in enumerate(zip(shots, sources, strict=True))
    ]
    places = order_shots(pictured, sides)
    by_place = {place.at: place for place in places}
    main = next((at for at in range(len(files)) if _serves(by_place[at], sources[at])), places[0].at)

    def stated(at: int) -> Shot:
        """What the manifest says stands above what a photo's place among the others makes likely."""
        said, named = by_place[at].shot, files[at][0]
        return _stated(shots[at] if said.assumed and named.azimuth is not None else said, named, sides)

    order = [main, *(at for at in range(len(files)) if at != main)]
    return [(at, stated(at), use_of(sources[at], by_place[at], first=at == main)) for at in order]


def _serves(place: ShotPlace, file: SourceFile) -> bool:
    good = RANKS[place.shot.role] <= SERVES and not place.shot.behind
    return good and file.readable and place.fits and not place.copy


def _stated(shot: Shot, named: NamedPhoto, sides: Sides) -> Shot:
    """The shot with what the manifest says of it, which counts more than the file's name."""
    if named.role == "main":
        shot = replace(shot, role=Role.FRONT, main=True, azimuth=0.0, elevation=None, assumed=True)
    elif named.role:
        shot = posed(replace(shot, role=Role(named.role), assumed=False), sides)
    if named.azimuth is not None:
        shot = replace(shot, azimuth=named.azimuth, assumed=False)
    return shot if named.elevation is None else replace(shot, elevation=named.elevation)
