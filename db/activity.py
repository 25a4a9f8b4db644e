"""What a monitor asks, cheap however many assets there are: counts, leases, runs, and stage runs as they end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, case, func, literal_column, select

from db.engine import reading
from db.leases import clock_sql
from db.tables import Asset, Catalogue, Lease, Run, StageRun

RECENT = 10_000
"""Stage runs, by their ids, among which those that run now are looked for when a monitor starts."""

DAY = 86_400.0


@dataclass(frozen=True)
class StageRunSeen:
    """A stage run as a monitor sees it."""

    id: int
    stage: str
    state: str
    error_class: str | None
    device: str | None
    seconds: float | None
    started_at: datetime
    held: bool
    """Whether somebody holds its lease: a row that says it runs and is not held is of a process that died."""


@dataclass(frozen=True)
class LastRun:
    """A catalogue's newest run that ended, and the oldest of its runs since then that did not."""

    catalogue: str
    ended: datetime | None
    begun: datetime | None


@dataclass(frozen=True)
class Activity:
    """How the factory stands."""

    assets: dict[str, int]
    """By status."""
    failed: dict[str, int]
    """Failed and quarantined assets by the class of their error."""
    leases: int
    """Stages that somebody holds."""
    expired: int
    """Leases whose holder died in the last day and whose work nobody took up yet: another night, with other settings,
    may never want it."""
    expired_seconds: float
    """How long ago the oldest of those expired."""
    runs: tuple[LastRun, ...]


def activity(engine: Engine) -> Activity:
    """Counts over indexed columns, and the small tables whole."""
    now: ColumnElement[float] = literal_column(clock_sql(engine))
    with reading(engine) as session:
        assets = session.execute(select(Asset.status, func.count()).group_by(Asset.status)).all()
        failed = session.execute(
            select(Asset.error_class, func.count())
            .where(Asset.status.in_(("failed", "quarantined")))
            .group_by(Asset.error_class)
        ).all()
        over = Lease.expires < now
        leases, expired, longest = session.execute(
            select(
                func.sum(case((over, 0), else_=1)),
                func.sum(case((over, 1), else_=0)),
                func.max(case((over, now - Lease.expires))),
            ).where(Lease.expires > now - DAY)
        ).one()
        runs = []
        for name, catalogue_id in session.execute(select(Catalogue.name, Catalogue.id).order_by(Catalogue.name)).all():
            ended = session.scalar(select(func.max(Run.finished_at)).where(Run.catalogue_id == catalogue_id))
            open_ = select(func.min(Run.started_at)).where(Run.catalogue_id == catalogue_id, Run.finished_at.is_(None))
            begun = session.scalar(open_.where(Run.started_at > ended) if ended else open_)
            runs.append(LastRun(name, ended, begun))
    return Activity(
        {status: int(count) for status, count in assets},
        {error or "unknown": int(count) for error, count in failed},
        int(leases or 0),
        int(expired or 0),
        float(longest or 0.0),
        tuple(runs),
    )


def newest_stage_run(engine: Engine) -> int:
    """The highest id; 0 where there is none."""
    with reading(engine) as session:
        return session.scalar(select(func.max(StageRun.id))) or 0


def stage_runs(engine: Engine, after: int, also: set[int]) -> list[StageRunSeen]:
    """Stage runs with higher ids than ``after``, and those of ``also``: both by the primary key."""
    columns = (StageRun.id, StageRun.stage, StageRun.state, StageRun.error_class, StageRun.device, StageRun.seconds)
    held = (
        select(Lease.key).where(Lease.key == StageRun.key, Lease.expires > literal_column(clock_sql(engine))).exists()
    )
    wanted = (StageRun.id > after) | StageRun.id.in_(sorted(also)) if also else StageRun.id > after
    with reading(engine) as session:
        rows = session.execute(select(*columns, StageRun.started_at, held).where(wanted).order_by(StageRun.id)).all()
    return [StageRunSeen(*row) for row in rows]
