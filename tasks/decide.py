"""A person's decision about an asset, from the page or the command: recorded, carried out, told to the webhook."""

from __future__ import annotations

from sqlalchemy import Engine

from db import assets
from db.reviews import Decided, record_decision
from tasks.webhooks import Tell

EVENT_OF_DECISION = {"approve": "asset.approved", "reject": "asset.rejected"}


def decide(engine: Engine, asset_id: str, decision: str, note: str | None, reviewer: str, tell: Tell) -> Decided:
    """Approve or reject; ``tell`` hears of it once it stands in the database.

    Raises :class:`~core.errors.NotReviewable` where the asset is not built or has nothing to approve,
    :class:`~core.errors.NotFound`.
    """
    decided = record_decision(engine, asset_id, decision, note, reviewer)
    (row,) = assets.list_assets(engine, ids=[asset_id])
    review = {"decision": decision, "note": note, "reviewer": reviewer, "at": decided.at.isoformat()}
    tell(EVENT_OF_DECISION[decision], row.reported() | {"review": review})
    return decided
