"""Verdicts: the gate's and people's. A person's word stands, however often the asset is built."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from core.errors import NotFound, NotReviewable
from db.assets import move
from db.engine import writing
from db.publications import is_published, withdraw
from db.tables import Asset, Review, now

STATUS_OF_DECISION = {"approve": "finished", "reject": "failed"}


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


def record_decision(engine: Engine, asset_id: str, decision: str, note: str | None, reviewer: str | None) -> Decided:
    """A person's decision: ``approve`` publishes the asset, ``reject`` fails it and takes it from readers, also while
    it is being built again. Checked, recorded and carried out in one transaction. Raises :class:`NotReviewable`,
    :class:`~core.errors.NotFound`.
    """
    if decision not in STATUS_OF_DECISION:
        raise NotReviewable(f"The decision is {' or '.join(STATUS_OF_DECISION)}.")
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
        review = Review(asset_id=asset_id, decision=decision, note=note, reviewer=reviewer, created_at=now())
        session.add(review)
        move(session, asset_id, status, {"reason": _reason_of(review), "error_class": None})
        if decision == "reject":
            withdraw(session, asset_id)
        return Decided(asset_id, before, status, decision, note, reviewer, review.created_at)


def _reason_of(review: Review) -> str:
    return review.note or f"A person decided: {review.decision}."


def _last_word(session: Session, asset_id: str) -> Review | None:
    """What a person last said of this very asset."""
    return session.scalar(select(Review).where(Review.asset_id == asset_id).order_by(Review.id.desc()).limit(1))
