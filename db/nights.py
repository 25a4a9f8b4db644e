"""Runs as people look at them: what goes on now, how much is left, and what became of the nights before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, func, literal_column, select
from sqlalchemy.orm import Session

from db.engine import reading
from db.leases import clock_sql
from db.tables import Asset, Catalogue, Lease, Product, Run, StageRun, now

ENOUGH = 3
"""Products that must be done before the rest is foretold."""

SHOWN = 30
"""Nights of one page."""


@dataclass(frozen=True)
class Night:
    """One run over a catalogue."""

    run_id: str
    catalogue: str
    begun: datetime
    ended: datetime | None
    stopped: str | None
    """Why it was stopped before its end."""
    counts: dict[str, int]
    """Its assets by status, as they stand now."""
    done: int
    left: int
    ends_at: datetime | None
    """When it will be done at the pace so far; None where that is not known."""


@dataclass(frozen=True)
class AtWork:
    """A stage that somebody computes at this moment."""

    stage: str
    device: str | None
    host: str
    since: datetime


@dataclass(frozen=True)
class Failing:
    """Products of a run that did not come out, alike."""

    status: str
    reason: str
    count: int
    example: str
    asset_id: str
    """The example's."""


def nights(engine: Engine, most: int = SHOWN) -> list[Night]:
    """The newest first."""
    query = select(Run, Catalogue.name).join(Catalogue, Catalogue.id == Run.catalogue_id)
    with reading(engine) as session:
        found = session.execute(query.order_by(Run.started_at.desc(), Run.id).limit(most)).all()
        counts: dict[str, dict[str, int]] = {run.id: {} for run, _ in found}
        by_status = select(Asset.run_id, Asset.status, func.count()).group_by(Asset.run_id, Asset.status)
        for run_id, status, count in session.execute(by_status.where(Asset.run_id.in_(counts))):
            counts[run_id][status] = int(count)
        return [_night(session, run, catalogue, counts[run.id]) for run, catalogue in found]


def _night(session: Session, run: Run, catalogue: str, counts: dict[str, int]) -> Night:
    left = counts.get("queued", 0) + counts.get("running", 0)
    done = sum(counts.values()) - left
    return Night(run.id, catalogue, run.started_at, run.finished_at, run.stopped, counts, done, left,
                 _ends_at(session, run, left))  # fmt: skip


def _ends_at(session: Session, run: Run, left: int) -> datetime | None:
    """At the pace since the run began, counted from what it finished itself."""
    if run.finished_at is not None or run.stopped is not None or left == 0:
        return None
    built, last = session.execute(
        select(func.count(), func.max(Asset.finished_at)).where(
            Asset.run_id == run.id, Asset.finished_at >= run.started_at, Asset.status.not_in(("queued", "running"))
        )
    ).one()
    if built < ENOUGH or last is None:
        return None
    pace: timedelta = (last - run.started_at) / built
    ends: datetime = last + pace * left
    return max(now(), ends)


def at_work(engine: Engine) -> list[AtWork]:
    """Stages whose holder lives, the longest first."""
    held = Lease.expires > literal_column(clock_sql(engine))
    query = select(StageRun.stage, StageRun.device, Lease.owner, StageRun.started_at).join(
        Lease, Lease.key == StageRun.key
    )
    with reading(engine) as session:
        rows = session.execute(query.where(held, StageRun.state == "running").order_by(StageRun.started_at)).all()
    return [AtWork(stage, device, owner.partition(":")[0], since) for stage, device, owner, since in rows]


def failing(engine: Engine, run_id: str, most: int = 20) -> list[Failing]:
    """What went wrong in a run, the most frequent first; a product that waits for another night stands with them."""
    waits = (Asset.status == "queued") & Asset.reason.is_not(None)
    badly: Any = Asset.status.in_(("failed", "quarantined")) | waits
    query = (
        select(Asset.status, Asset.reason, func.count(), func.min(Product.sku), func.min(Asset.id))
        .join(Product, Product.id == Asset.product_id)
        .where(Asset.run_id == run_id, badly)
        .group_by(Asset.status, Asset.reason)
        .order_by(func.count().desc(), Asset.reason)
        .limit(most)
    )
    with reading(engine) as session:
        rows = session.execute(query).all()
    return [Failing(status, reason or "", int(count), sku, id_) for status, reason, count, sku, id_ in rows]
