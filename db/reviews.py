"""Verdicts: the gate's and people's. A person's word stands, however often the asset is built, until taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from core.errors import NotFound, NotReviewable
from core.records import to_json
from db.assets import move
from db.engine import reading, writing
from db.publications import COPIED, is_published, withdraw
from db.tables import UNDONE, Artifact, Asset, Comment, Product, Publication, Review, now

STATUS_OF_DECISION = {"approve": "finished", "reject": "failed", "better-photo": "failed"}

SENTENCES = {
    "approve": "A person approved it.",
    "reject": "A person rejected it.",
    "better-photo": "A person asks for a better photo.",
}
"""What stands as the reason where a decision has no note."""


def record_verdict(
    engine: Engine, asset_id: str, status: str, /, *, reason: str | None, **values: Any
) -> tuple[str, str | None]:
    """The gate's word on an asset; the status and reason that stand.

    An asset's id hashes all that it is made from: what a person said of it holds however often it is built. It is
    looked up in the same transaction, so that neither word is lost where both are said at once.
    """
    with writing(engine) as session:
        session.get(Asset, asset_id, with_for_update=True)
        if (said := _last_word(session, asset_id)) is not None:
            status, reason = STATUS_OF_DECISION[said.decision], _reason_of(said)
        move(session, asset_id, status, {**values, "reason": reason})
    return status, reason


@dataclass(frozen=True)
class Decided:
    """A person's decision, as it stands on record."""

    asset_id: str
    before: str
    status: str
    decision: str
    note: str | None
    reviewer: str | None
    at: datetime
    review_id: int


def record_decision(engine: Engine, asset_id: str, decision: str, note: str | None, reviewer: str | None) -> Decided:
    """A person's decision: ``approve`` publishes the asset; ``reject`` fails it and takes it from readers, also while
    it is being built again; ``better-photo`` fails it, and what is published stays until its successor stands.
    Checked, recorded and carried out in one transaction. Raises :class:`NotReviewable`,
    :class:`~core.errors.NotFound`.
    """
    if decision not in STATUS_OF_DECISION:
        raise NotReviewable(f"The decision is {', '.join(STATUS_OF_DECISION)}.")
    with writing(engine) as session:
        asset = session.get(Asset, asset_id, with_for_update=True)
        if asset is None:
            raise NotFound(f"There is no asset {asset_id}.")
        before, status = asset.status, STATUS_OF_DECISION[decision]
        taken_back = decision == "reject" and is_published(session, asset_id)
        if before not in ("finished", "review", "failed") and not taken_back:
            raise NotReviewable(f"Only a built asset can be reviewed; this one is {before}.")
        if status == "finished" and asset.glb_id is None:
            raise NotReviewable("This asset has no GLB: nothing can be approved. Use `meshmill retry`.")
        review = Review(asset_id=asset_id, decision=decision, note=note, reviewer=reviewer, created_at=now(),
                        before=to_json(_state(session, asset)))  # fmt: skip
        session.add(review)
        move(session, asset_id, status, {"reason": _reason_of(review), "error_class": None})
        if decision == "reject":
            withdraw(session, asset_id)
        session.flush()
        return Decided(asset_id, before, status, decision, note, reviewer, review.created_at, review.id)


def take_back(engine: Engine, review_id: int, by: str | None) -> str:
    """Undo the last decision about an asset; its id. It stands on record as undone. Raises :class:`NotReviewable` where
    something has happened to the asset since, :class:`~core.errors.NotFound`."""
    with writing(engine) as session:
        review = session.get(Review, review_id, with_for_update=True)
        asset = session.get(Asset, review.asset_id, with_for_update=True) if review is not None else None
        if review is None or asset is None:
            raise NotFound(f"There is no decision {review_id}.")
        last, then = _last_word(session, asset.id), review.before
        if last is None or last.id != review.id or then is None or asset.status != STATUS_OF_DECISION[review.decision]:
            raise NotReviewable("This decision cannot be undone any more: something else has happened since.")
        shown = then["publication"]
        glb = session.get(Artifact, shown["glb_id"]) if shown else None
        if glb is not None and glb.collected_at is not None:
            raise NotReviewable("This decision cannot be undone any more: the earlier model was cleared away.")
        for name, value in then["asset"].items():
            setattr(asset, name, datetime.fromisoformat(value) if name == "finished_at" and value else value)
        for other_id, status in then["others"].items():
            other = session.get(Asset, other_id)
            if other is not None and other.status == "superseded":
                other.status = status
        _republish(session, asset.product_id, shown)
        review.decision += UNDONE
        review.undone_by, review.undone_at = by, now()
        return asset.id


@dataclass(frozen=True)
class Before:
    """What :func:`take_back` restores: columns of the asset, of its publication, and the statuses of the others."""

    asset: Mapping[str, Any]
    others: dict[str, str]
    publication: Mapping[str, Any] | None


def _state(session: Session, asset: Asset) -> Before:
    others = session.execute(
        select(Asset.id, Asset.status).where(
            Asset.product_id == asset.product_id, Asset.id != asset.id, Asset.status.in_(("finished", "review"))
        )
    ).all()
    shown = session.get(Publication, asset.product_id)
    fields = ("status", "reason", "error_class", "finished_at")
    return Before(
        {name: getattr(asset, name) for name in fields},
        dict(row._tuple() for row in others),
        None if shown is None else {name: getattr(shown, name) for name in COPIED},
    )


def _republish(session: Session, product_id: int, shown: dict[str, Any] | None) -> None:
    """Readers get again what they got before."""
    session.execute(delete(Publication).where(Publication.product_id == product_id))
    if shown is not None:
        at = datetime.fromisoformat(shown["published_at"])
        session.add(Publication(product_id=product_id, **{**shown, "published_at": at}))


def _reason_of(review: Review) -> str:
    return review.note or SENTENCES[review.decision]


def _last_word(session: Session, asset_id: str) -> Review | None:
    """What a person last said of this very asset and did not take back."""
    said = select(Review).where(Review.asset_id == asset_id, Review.decision.in_(STATUS_OF_DECISION))
    return session.scalar(said.order_by(Review.id.desc()).limit(1))


def add_comment(engine: Engine, asset_id: str, text: str, author: str | None) -> None:
    """Keep what a person wrote. Raises :class:`~core.errors.NotFound`."""
    with writing(engine) as session:
        if session.get(Asset, asset_id) is None:
            raise NotFound(f"There is no asset {asset_id}.")
        session.add(Comment(asset_id=asset_id, author=author, text=text, created_at=now()))


@dataclass(frozen=True)
class Said:
    """What a person said of an asset: a decision, or a comment without one."""

    asset_id: str
    sku: str
    by: str | None
    at: datetime
    text: str | None
    decision: str | None = None
    review_id: int | None = None
    undone_by: str | None = None
    undone: bool = False


def said_of(engine: Engine, asset_id: str) -> list[Said]:
    """Decisions and comments about an asset, oldest first."""
    with reading(engine) as session:
        comments = session.execute(_named(Comment).where(Comment.asset_id == asset_id)).all()
        decisions = [_said(*row) for row in session.execute(_named(Review).where(Review.asset_id == asset_id))]
    return sorted([*decisions, *(Said(c.asset_id, sku, c.author, c.created_at, c.text) for c, sku in comments)],
                  key=lambda said: said.at)  # fmt: skip


def decisions_of(engine: Engine, review_ids: Sequence[int]) -> list[Said]:
    """Decisions by their ids, those that there are."""
    with reading(engine) as session:
        return [_said(*row) for row in session.execute(_named(Review).where(Review.id.in_(review_ids)))]


def last_words(engine: Engine, asset_ids: Sequence[str]) -> dict[str, Said]:
    """The decision that stands, by asset; those without one are left out."""
    query = _named(Review).where(Review.asset_id.in_(asset_ids), Review.decision.in_(STATUS_OF_DECISION))
    with reading(engine) as session:
        return {row[0].asset_id: _said(*row) for row in session.execute(query.order_by(Review.id))}


def _named(table: type[Review] | type[Comment]) -> Any:
    asset = select(table, Product.sku).join(Asset, Asset.id == table.asset_id)
    return asset.join(Product, Product.id == Asset.product_id)


def _said(review: Review, sku: str) -> Said:
    decision, undone = review.decision.removesuffix(UNDONE), review.decision.endswith(UNDONE)
    return Said(review.asset_id, sku, review.reviewer, review.created_at, review.note, decision, review.id,
                review.undone_by, undone)  # fmt: skip
