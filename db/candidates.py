"""Products as planning sees them: the photo to build from, further photos, the product whose shape a variant shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, BigInteger, any_, cast, func, or_, select
from sqlalchemy.orm import Session

from core.photos.shot import ANCHORS, AZIMUTHS, Role
from db.mends import built_from, mended, settings_of_product
from db.tables import Mend, Photo, Product

CANDIDATE: tuple[Any, ...] = (
    Product.id,
    Product.sku,
    Product.name,
    mended(Product.height_cm),
    Product.elevation,
    Product.licence,
    Photo.id,
    Photo.sha256,
    Photo.source_uri,
    Photo.licence,
    Photo.attribution,
    Product.problem,
    mended(Product.width_cm),
    mended(Product.depth_cm),
    mended(Product.azimuth),
    mended(Product.variant_of),
    settings_of_product(),
)
"""The columns of :class:`Candidate`, in its order."""


MOST_FURTHER = 7
"""Photos beside the main one that an asset is made from."""


class FurtherPhoto(NamedTuple):
    """One more photo of a product."""

    sha256: str
    uri: str
    role: str
    azimuth: float | None
    """Degrees from the main photo's camera; None where no name tells its side."""
    elevation: float | None

    @property
    def said(self) -> list[Any]:
        """What an asset depends on."""
        return [self.sha256, self.role, self.azimuth, self.elevation]


class Candidate(NamedTuple):
    """A product with the photo to build it from."""

    product_id: int
    sku: str
    name: str
    height_cm: float | None
    elevation: float | None
    product_licence: str | None
    photo_id: int
    photo_sha256: str
    photo_uri: str
    photo_licence: str | None
    photo_attribution: str | None = None
    problem: str | None = None
    width_cm: float | None = None
    depth_cm: float | None = None
    azimuth: float | None = None
    """Degrees from the product's front to the photo's camera, where that is known."""
    variant_of: str | None = None
    settings: str | None = None
    """What a person chose to build it by (:mod:`tasks.chosen`)."""
    further: tuple[FurtherPhoto, ...] = ()
    base: Candidate | None = None
    """The product whose shape it shares in another colour, where the catalogue shows it."""

    @property
    def sides(self) -> tuple[float | None, ...]:
        """Its known sizes, centimetres."""
        return self.height_cm, self.width_cm, self.depth_cm


def complete(session: Session, page: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with what else their products' assets depend on: other photos, the product of the same shape."""
    return with_bases(session, with_further(session, page))


LONGEST_CHAIN = 5
"""Products between a variant and the one that lends its shape, at most."""


def with_bases(session: Session, page: Sequence[Candidate]) -> list[Candidate]:
    """Variants with the product at the end of their ``variant_of``, in the same catalogue. Sizes that a variant does
    not say are that one's."""
    variants = [candidate for candidate in page if candidate.variant_of is not None]
    if not variants:
        return list(page)
    own = among(session, Product.id, BigInteger, [candidate.product_id for candidate in variants])
    stands_in = select(Product.id, Product.catalogue_id).where(own)
    catalogues = dict(session.execute(stands_in).tuples().all())
    known: dict[tuple[int, str], Candidate] = {}
    asked: set[str] = set()
    for _ in range(LONGEST_CHAIN):
        skus = {c.variant_of for c in (*variants, *known.values()) if c.variant_of is not None} - asked
        if not skus:
            break
        asked |= skus
        query = (
            select(Product.catalogue_id, *CANDIDATE)
            .outerjoin(Mend, Mend.product_id == Product.id)
            .join(Photo, (Photo.product_id == Product.id) & built_from())
            .where(~Product.removed, Product.catalogue_id.in_(set(catalogues.values())), Product.sku.in_(skus))
        )
        for number, *row in session.execute(query):
            known[number, row[1]] = Candidate(*row)
    ends = {
        candidate.product_id: _end_of_chain(candidate, catalogues[candidate.product_id], known)
        for candidate in variants
    }
    lent = with_further(session, list({end.product_id: end for end in ends.values() if end}.values()))
    by_id = {base.product_id: base for base in lent}
    return [_varied(c, by_id.get(base.product_id) if (base := ends.get(c.product_id)) else None) for c in page]


def _end_of_chain(variant: Candidate, catalogue: int, known: dict[tuple[int, str], Candidate]) -> Candidate | None:
    """None where a name leads nowhere, or in a circle."""
    passed, at = {variant.product_id}, variant
    while at.variant_of is not None:
        base = known.get((catalogue, at.variant_of))
        if base is None or base.product_id in passed:
            return None
        passed.add(base.product_id)
        at = base
    return at


def _varied(candidate: Candidate, base: Candidate | None) -> Candidate:
    if base is None:
        return candidate
    if any(candidate.sides):
        return candidate._replace(base=base)
    return candidate._replace(base=base, height_cm=base.height_cm, width_cm=base.width_cm, depth_cm=base.depth_cm)


FACING = (None, "", "front", "unknown")
"""Roles of a main photo that, without an azimuth of its own, is taken for the product's front."""


def with_further(session: Session, page: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with their products' other photos whose side is known, the lowest running numbers first; those of
    unknown sides after them, where enough are known to place them.

    A main photo that shows a side, but not which one, tells nothing of where the others stand. What a person said of a
    photo counts before its name.
    """
    built = {candidate.photo_id for candidate in page}
    chosen_by_people = select(Mend.photo_id).where(Mend.photo_id.is_not(None))
    query = (
        select(Photo)
        .where(
            among(session, Photo.product_id, BigInteger, [candidate.product_id for candidate in page]),
            or_(
                Photo.current & (Photo.chosen | (Photo.used_for == "geometry") | Photo.said.is_not(None)),
                Photo.id.in_(chosen_by_people),
            ),
        )
        .order_by(Photo.product_id, Photo.shot_index.is_(None), Photo.shot_index, Photo.source_uri)
    )
    shown: dict[int, float | None] = {}
    main: dict[int, float | None] = {}
    beside: dict[int, FurtherPhoto] = {}
    others: dict[int, list[FurtherPhoto]] = {}
    for photo in session.scalars(query):
        seen = _further_photo(photo)
        facing = seen.azimuth if seen.azimuth is not None else 0.0 if seen.role in FACING else None
        aside = photo.said == ASIDE or (seen.azimuth is None and seen.role in STEEP)
        if photo.id in built:
            main[photo.product_id] = facing
        elif photo.chosen:
            shown[photo.product_id] = facing
            if not aside:
                beside[photo.product_id] = seen
        elif photo.current and not aside:
            others.setdefault(photo.product_id, []).append(seen)
    for product, facing in main.items():  # a person chose another photo: the catalogue's own joins the others
        turn = beside[product].azimuth if product in beside else None
        if turn is not None and facing is not None and abs(turn - facing) > SAME_SIDE:
            others.setdefault(product, []).insert(0, beside[product])
    return [_further(c, main.get(c.product_id, shown.get(c.product_id)), others) for c in page]


SAME_SIDE = 1.0
"""Degrees within which a photo shows what another one shows: the same photo with its background painted away."""


ASIDE = "aside"
"""What a person says of a photo that the model is not to be made from."""

STEEP = (Role.TOP, Role.BOTTOM)


def _further_photo(photo: Photo) -> FurtherPhoto:
    """As a person said, else as its name does; its azimuth still from the product's front."""
    if photo.said is not None and photo.said != ASIDE:
        return FurtherPhoto(photo.sha256, photo.source_uri, photo.said, AZIMUTHS[Role(photo.said)], None)
    return FurtherPhoto(photo.sha256, photo.source_uri, photo.role or "", photo.azimuth, photo.elevation)


def _further(candidate: Candidate, main: float | None, others: dict[int, list[FurtherPhoto]]) -> Candidate:
    own = [p for p in others.get(candidate.product_id, []) if p.sha256 != candidate.photo_sha256]
    if main is None or not own:
        return candidate
    turned = [p._replace(azimuth=(p.azimuth - main) % 360) for p in own if p.azimuth is not None]
    unknown = [p for p in own if p.azimuth is None] if len(turned) + 1 >= ANCHORS else []
    return candidate._replace(further=(*turned, *unknown)[:MOST_FURTHER])


def among(session: Session, column: Any, kind: Any, values: Sequence[Any]) -> Any:
    """``column IN values``; for PostgreSQL as one string: a thousand parameters take longer than the answer."""
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(cast(func.string_to_array(joined(values), ","), ARRAY(kind)))
    return column.in_(values)


def joined(column: Sequence[Any]) -> str:
    """Numbers and hexadecimal ids as one parameter: the driver looks at each element of an array, and takes longer."""
    return ",".join(map(str, column))
