"""Runs: begun, ended, summed up by the database, however many assets they had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, String, and_, cast, func, null, or_, select, update

from db.engine import reading, writing
from db.tables import STATUSES, Asset, Catalogue, Product, Run, now

PAGE = 1000
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


def catalogue_name(engine: Engine, catalogue_id: int) -> str:
    """What a catalogue is called."""
    with reading(engine) as session:
        return session.scalars(select(Catalogue.name).where(Catalogue.id == catalogue_id)).one()


def end_run(engine: Engine, run_id: str, summary: dict[str, Any]) -> None:
    """The run is over, and this came out."""
    with writing(engine) as session:
        session.execute(update(Run).where(Run.id == run_id).values(finished_at=now(), summary=summary))


@dataclass(frozen=True)
class Slow:
    """An asset that took long."""

    sku: str
    asset_id: str
    seconds: float


@dataclass(frozen=True)
class Ended:
    """Assets that ended badly, or wait, for one reason."""

    status: str
    error: str | None
    reason: str | None
    count: int
    example: str
    """One SKU."""


@dataclass(frozen=True)
class ToReview:
    """Assets that a person is asked about for one reason."""

    reason: str | None
    count: int
    example: str


@dataclass(frozen=True)
class Outcome:
    """What became of the assets that a run set out to build.

    Seconds and cost of reused stages count for each asset that uses them.
    """

    counts: dict[str, int]
    """By status."""
    slowest: list[Slow]
    failures: list[Ended]
    """Those that wait for the next run among them."""
    reviews: list[ToReview]
    computed_seconds: float
    cost: float
    size_unknown: int
    """How many came out without a real size."""


def outcome(engine: Engine, run_id: str) -> Outcome:
    """A run as it stands in the database."""
    mine = Asset.run_id == run_id
    waits = and_(Asset.status == "queued", Asset.reason.is_not(None))
    ended_badly = or_(Asset.status.in_(("failed", "quarantined")), waits)
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
        reviews = session.execute(
            select(Asset.reason, func.count(), func.min(Product.sku))
            .join(Product, Product.id == Asset.product_id)
            .where(mine, Asset.status == "review")
            .group_by(Asset.reason)
            .order_by(func.count().desc(), Asset.reason)
            .limit(REASONS)
        ).all()
        seconds, cost = session.execute(select(func.sum(Asset.seconds), func.sum(Asset.cost)).where(mine)).one()
        without_size = session.scalar(
            select(func.count()).where(mine, cast(Asset.reasons, String).like('%"size_unknown"%'))
        )
    return Outcome(
        counts={status: counted.get(status, 0) for status in STATUSES},
        slowest=[Slow(sku, id_, took) for sku, id_, took in slowest],
        failures=[
            Ended("waiting" if status == "queued" else status, error, reason, int(count), sku)
            for status, error, reason, count, sku in failures
        ],
        reviews=[ToReview(reason, int(count), sku) for reason, count, sku in reviews],
        computed_seconds=float(seconds or 0.0),
        cost=float(cost or 0.0),
        size_unknown=int(without_size or 0),
    )


def stop(engine: Engine, run_id: str, sentence: str) -> None:
    """Whoever works for this run ends after the stage at hand and begins no other. The first sentence stays."""
    with writing(engine) as session:
        session.execute(update(Run).where(Run.id == run_id, Run.stopped.is_(None)).values(stopped=sentence))


def stopped(engine: Engine, run_id: str) -> str | None:
    """Why the run was stopped; None while it goes on."""
    with reading(engine) as session:
        return session.scalar(select(Run.stopped).where(Run.id == run_id))


def count_alike(engine: Engine, run_id: str, asset_id: str, what: str, anew: bool) -> int:
    """An asset of the run has just failed: how many have now failed alike, one after the other, on whatever host;
    ``anew`` where another asset is still on its way between them."""
    with writing(engine) as session:
        run = session.get(Run, run_id, with_for_update=True)
        if run is None:
            return 0
        before = run.streak or {}
        count = before["count"] if before.get("what") == what and not anew else 0
        if before.get("last") != asset_id:  # else asked a second time after a lost answer
            count += 1
        run.streak = {"what": what, "count": count, "last": asset_id}
        return int(count)


def break_streak(engine: Engine, run_id: str) -> None:
    """An asset of the run has just come out: what failed before it, failed by itself."""
    with reading(engine) as session:
        if session.scalar(select(Run.streak).where(Run.id == run_id)) is None:
            return
    with writing(engine) as session:
        session.execute(update(Run).where(Run.id == run_id).values(streak=null()))


def put_back(engine: Engine, asset_ids: Sequence[str]) -> None:
    """What a stopped run had begun waits for the next one, like what it never tried."""
    with writing(engine) as session:
        for start in range(0, len(asset_ids), PAGE):
            page = asset_ids[start : start + PAGE]
            session.execute(update(Asset).where(Asset.id.in_(page), Asset.status == "running").values(status="queued"))


def unsettled(engine: Engine, asset_ids: list[str]) -> list[str]:
    """Those of a shard's assets that nobody brought to an end. One that waits for the next run, with a reason, was."""
    open_ = or_(Asset.status == "running", and_(Asset.status == "queued", Asset.reason.is_(None)))
    with reading(engine) as session:
        query = select(Asset.id).where(Asset.id.in_(asset_ids), open_)
        left = set(session.scalars(query))
    return [asset_id for asset_id in asset_ids if asset_id in left]
