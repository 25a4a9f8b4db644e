"""What a person knows better than the catalogue of a product: it holds for every night from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from core.errors import NotFound
from db.engine import reading, writing
from db.shots import ShotRow, shot_row
from db.tables import Asset, Mend, Photo, Product, now


def mended(known: Any) -> ColumnElement[Any]:
    """A column of :class:`Product` as a person corrected it."""
    said = select(getattr(Mend, known.key)).where(Mend.product_id == Product.id).correlate(Product).scalar_subquery()
    return func.coalesce(said, known)


def settings_of_product() -> ColumnElement[str | None]:
    """The settings that a person chose for a product."""
    return select(Mend.settings).where(Mend.product_id == Product.id).correlate(Product).scalar_subquery()


def built_from() -> ColumnElement[bool]:
    """Which photo a product is built from: the one that a person chose, as long as the catalogue still shows what they
    chose it instead of; else the catalogue's own choice. Wants :class:`Mend` joined from the outside."""
    shown = aliased(Photo)
    holds = and_(
        Mend.photo_id.is_not(None),
        exists().where(
            shown.product_id == Product.id, shown.current, shown.chosen, shown.sha256 == Mend.instead_of
        ),
    )  # fmt: skip
    return or_(and_(holds, Photo.id == Mend.photo_id), and_(not_(holds), Photo.current, Photo.chosen))


def product_of(engine: Engine, asset_id: str) -> int:
    """Raises :class:`NotFound`."""
    with reading(engine) as session:
        product_id = session.scalar(select(Asset.product_id).where(Asset.id == asset_id))
    if product_id is None:
        raise NotFound(f"There is no asset {asset_id}.")
    return int(product_id)


def photos_of(engine: Engine, product_id: int) -> list[ShotRow]:
    """What the catalogue shows of a product and what people added, in the catalogue's order."""
    built = exists().where(Asset.photo_id == Photo.id)
    query = select(Photo).where(Photo.product_id == product_id, or_(Photo.current, built))
    with reading(engine) as session:
        photos = session.scalars(
            query.order_by(Photo.chosen.desc(), Photo.shot_index.is_(None), Photo.shot_index, Photo.id)
        )
        return [shot_row(photo) for photo in photos]


def mend(engine: Engine, product_id: int, by: str, changes: Mapping[str, Any]) -> None:
    """Keep what a person said; ``changes`` are columns of :class:`Mend`."""
    with writing(engine) as session:
        _mend(session, product_id, by, dict(changes))


def choose_photo(engine: Engine, product_id: int, photo_id: int, by: str) -> None:
    """Build from this photo of the product from now on. Raises :class:`NotFound`."""
    with writing(engine) as session:
        photo = session.get(Photo, photo_id)
        if photo is None or photo.product_id != product_id:
            raise NotFound("The product has no such photo.")
        side = {} if photo.azimuth is None else {"azimuth": photo.azimuth}
        _mend(session, product_id, by, {"photo_id": photo_id, **side})


def say_side(engine: Engine, product_id: int, photo_id: int, said: str | None) -> None:
    """Keep which side a photo shows by the word of a person: a role, :data:`db.candidates.ASIDE`, or None for what its
    name says. Raises :class:`NotFound`."""
    with writing(engine) as session:
        photo = session.get(Photo, photo_id)
        if photo is None or photo.product_id != product_id:
            raise NotFound("The product has no such photo.")
        photo.said = said


def add_photo(engine: Engine, product_id: int, sha256: str, size: int, uri: str, by: str, *, like: int | None) -> None:
    """Build from a photo that a person gave; ``like``: the photo that it shows anew, from the same side and under the
    same licence."""
    with writing(engine) as session:
        before = session.get(Photo, like) if like is not None else None
        known = select(Photo).where(Photo.product_id == product_id, Photo.sha256 == sha256).limit(1)
        photo = session.scalar(known)
        if photo is None:
            photo = Photo(product_id=product_id, sha256=sha256, bytes=size, source_uri=uri, file_stamp=sha256[:40],
                          current=False, chosen=False)  # fmt: skip
            if before is not None:
                for name in ("licence", "attribution", "role", "azimuth", "elevation"):
                    setattr(photo, name, getattr(before, name))
            session.add(photo)
            session.flush()
        _mend(session, product_id, by, {"photo_id": photo.id})


def _mend(session: Session, product_id: int, by: str, changes: dict[str, Any]) -> None:
    row = session.get(Mend, product_id) or Mend(product_id=product_id)
    if "photo_id" in changes:
        chosen = select(Photo.sha256).where(Photo.product_id == product_id, Photo.current, Photo.chosen)
        changes["instead_of"] = session.scalar(chosen)
    for name, value in (changes | {"by": by, "at": now()}).items():
        setattr(row, name, value)
    session.add(row)
