"""Runs: begun, ended, summed up by the database, however many assets they had."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, func, select, update

from db.engine import reading, writing
from db.tables import STATUSES, Asset, Product, Run, now

SLOWEST = 10
REASONS = 20


def start_run(
    engine: Engine, run_id: str, catalogue_id: int, recipe_hash: str, prefect_run_id: str | None = None
) -> None:
    """The run's row, which its assets refer to. The recipe must be there already."""
    with writing(engine) as session:
        if session.get(Run, run_id) is None:  # asked a second time after a lost answer
            session.add(
                Run(id=run_id, catalogue_id=catalogue_id, recipe_hash=recipe_hash, prefect_run_id=prefect_run_id)
            )


def end_run(engine: Engine, run_id: str, summary: dict[str, Any]) -> None:
    """The run is over, and this came out."""
    with writing(engine) as session:
        session.execute(update(Run).where(Run.id == run_id).values(finished_at=now(), summary=summary))


def outcome(engine: Engine, run_id: str) -> dict[str, Any]:
    """What became of the assets that a run set out to build.

    ``counts`` by status, ``slowest`` (SKU, asset id, seconds), ``failures`` by reason (count, one SKU as an example),
    ``computed_seconds`` and ``cost`` in all. Seconds and cost of reused stages count for each asset that uses them.
    """
    mine = Asset.run_id == run_id
    ended_badly = Asset.status.in_(("failed", "quarantined"))
    with reading(engine) as session:
        rows = session.execute(select(Asset.status, func.count()).where(mine).group_by(Asset.status)).all()
        counted = {status: int(count) for status, count in rows}
        slowest = session.execute(
            select(Product.sku, Asset.id, Asset.seconds)
            .join(Product, Product.id == Asset.product_id)
            .where(mine, Asset.seconds.is_not(None))
            .order_by(Asset.seconds.desc(), Product.sku)
            .limit(SLOWEST)
        ).all()
        failures = session.execute(
            select(Asset.status, Asset.error_class, Asset.reason, func.count(), func.min(Product.sku))
            .join(Product, Product.id == Asset.product_id)
            .where(mine, ended_badly)
            .group_by(Asset.status, Asset.error_class, Asset.reason)
            .order_by(func.count().desc(), Asset.reason)
            .limit(REASONS)
        ).all()
        seconds, cost = session.execute(select(func.sum(Asset.seconds), func.sum(Asset.cost)).where(mine)).one()
    return {
        "counts": {status: counted.get(status, 0) for status in STATUSES},
        "slowest": [{"sku": sku, "asset_id": id_, "seconds": took} for sku, id_, took in slowest],
        "failures": [
            {"status": status, "error": error, "reason": reason, "count": int(count), "example": sku}
            for status, error, reason, count, sku in failures
        ],
        "computed_seconds": float(seconds or 0.0),
        "cost": float(cost or 0.0),
    }


def unsettled(engine: Engine, asset_ids: list[str]) -> list[str]:
    """Those of a shard's assets that nobody brought to an end."""
    with reading(engine) as session:
        query = select(Asset.id).where(Asset.id.in_(asset_ids), Asset.status.in_(("queued", "running")))
        left = set(session.scalars(query))
    return [asset_id for asset_id in asset_ids if asset_id in left]
