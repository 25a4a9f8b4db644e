"""A person's decision about an asset, from the page or the command: recorded, carried out, told to the webhook."""

from __future__ import annotations

from sqlalchemy import Engine

from core.records import to_json
from db import assets
from db.reviews import Decided, record_decision, take_back
from tasks.webhooks import EVENT_OF_STATUS, Tell

EVENT_OF_DECISION = {"approve": "asset.approved", "reject": "asset.rejected", "better-photo": "asset.better_photo"}


def decide(engine: Engine, asset_id: str, decision: str, note: str | None, reviewer: str, tell: Tell) -> Decided:
    """Approve, reject or ask for a better photo; ``tell`` hears of it once it stands in the database.

    Raises :class:`~core.errors.NotReviewable` where the asset is not built or has nothing to approve,
    :class:`~core.errors.NotFound`.
    """
    decided = record_decision(engine, asset_id, decision, note, reviewer)
    (row,) = assets.list_assets(engine, ids=[asset_id])
    review = {"decision": decision, "note": note, "reviewer": reviewer, "at": decided.at.isoformat()}
    tell(EVENT_OF_DECISION[decision], to_json(row.reported()) | {"review": review})
    return decided


def undo(engine: Engine, review_id: int, by: str, tell: Tell) -> str:
    """Take a decision back; the asset's id. ``tell`` hears how the asset stands again.

    Raises :class:`~core.errors.NotReviewable` where something has happened to it since, :class:`~core.errors.NotFound`.
    """
    asset_id = take_back(engine, review_id, by)
    (row,) = assets.list_assets(engine, ids=[asset_id])
    if row.status in EVENT_OF_STATUS:
        tell(EVENT_OF_STATUS[row.status], to_json(row.reported()) | {"undone_by": by})
    return asset_id
