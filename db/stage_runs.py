"""Stage runs and their artifacts: reuse by key, attempts, the commit that makes a result exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, select, update

from db.engine import advisory_lock, reading, writing
from db.housekeeping import take_marks
from db.tables import Artifact, ArtifactInput, AssetStage, Lease, StageRun, now


class LeaseLost(Exception):
    """Somebody else took over while the result was computed; theirs counts."""


@dataclass(frozen=True)
class Stored:
    """An artifact's row as the factory hands it around."""

    id: int
    kind: str
    key: str
    sha256: str
    bytes: int
    media_type: str


@dataclass(frozen=True)
class FinishedRun:
    """A finished stage run and what it made."""

    id: int
    seconds: float
    cost: float
    figures: dict[str, Any]
    artifacts: tuple[Stored, ...]
    parameters: dict[str, Any]
    ladder: int = 0


@dataclass(frozen=True)
class NewArtifact:
    """An object that stands in the store and waits for its row."""

    kind: str
    key: str
    uri: str
    sha256: str
    bytes: int
    media_type: str


def stored_of(row: Artifact) -> Stored:
    """An artifact's row, to be handed around."""
    return Stored(row.id, row.kind, row.key, row.sha256, row.bytes, row.media_type)


def find_finished(engine: Engine, key: str) -> FinishedRun | None:
    """The finished run of a key, with its artifacts."""
    with reading(engine) as session:
        run = session.scalars(select(StageRun).where(StageRun.key == key, StageRun.state == "finished")).first()
        if run is None:
            return None
        made = session.scalars(select(Artifact).where(Artifact.made_by == run.id).order_by(Artifact.id)).all()
        return FinishedRun(
            run.id,
            run.seconds or 0.0,
            run.cost or 0.0,
            run.figures or {},
            tuple(stored_of(a) for a in made),
            run.parameters,
            run.ladder,
        )


def invalidate(engine: Engine, key: str) -> None:
    """The finished run of a key no longer counts: its objects are gone or damaged, or a rebuild is forced."""
    with writing(engine) as session:
        session.execute(
            update(StageRun).where(StageRun.key == key, StageRun.state == "finished").values(state="replaced")
        )


def begin(
    engine: Engine,
    key: str,
    *,
    stage: str,
    version: int,
    parameters: dict[str, Any],
    owner: str,
    ladder: int = 0,
    prefect_run_id: str | None = None,
) -> int:
    """A new attempt, by the holder of the key's lease: whoever was still 'running' it has died."""
    with writing(engine) as session:
        session.execute(
            update(StageRun)
            .where(StageRun.key == key, StageRun.state == "running")
            .values(state="failed", error_class="Abandoned", sentence="Its process ended in the middle of the stage.")
        )
        attempt = session.scalar(select(func.count()).where(StageRun.key == key)) or 0
        run = StageRun(
            key=key,
            stage=stage,
            version=version,
            parameters=parameters,
            owner=owner,
            ladder=ladder,
            state="running",
            attempt=attempt + 1,
            prefect_run_id=prefect_run_id,
        )
        session.add(run)
        session.flush()
        return run.id


def finish(
    engine: Engine,
    run_id: int,
    key: str,
    owner: str,
    *,
    inputs: Mapping[str, int],
    artifacts: Sequence[NewArtifact],
    seconds: float,
    cost: float,
    device: str | None,
    peak_memory: int | None,
    figures: dict[str, Any],
) -> tuple[Stored, ...]:
    """The moment that a result exists: artifacts, lineage, the run's end and the lease's, in one transaction.

    Raises :class:`LeaseLost`, :class:`ObjectsCollected` where an object must be stored once more.
    """
    with writing(engine) as session:
        ours = session.execute(delete(Lease).where(Lease.key == key, Lease.owner == owner).returning(Lease.key)).all()
        if not ours:
            raise LeaseLost(key)
        take_marks(session, [artifact.key for artifact in artifacts])
        rows = [Artifact(made_by=run_id, **vars(artifact)) for artifact in artifacts]
        session.add_all(rows)
        session.add_all(
            ArtifactInput(stage_run_id=run_id, artifact_id=artifact_id, role=role)
            for role, artifact_id in inputs.items()
        )
        values = {"seconds": seconds, "cost": cost, "device": device, "peak_memory": peak_memory, "figures": figures}
        session.execute(
            update(StageRun).where(StageRun.id == run_id).values(state="finished", finished_at=now(), **values)
        )
        session.flush()
        return tuple(stored_of(row) for row in rows)


def fail(
    engine: Engine,
    run_id: int,
    key: str,
    owner: str,
    *,
    error_class: str,
    sentence: str,
    traceback: str | None,
    seconds: float,
) -> None:
    """An attempt that ended badly; the lease goes back."""
    with writing(engine) as session:
        session.execute(delete(Lease).where(Lease.key == key, Lease.owner == owner))
        session.execute(
            update(StageRun)
            .where(StageRun.id == run_id)
            .values(
                state="failed",
                error_class=error_class,
                sentence=sentence,
                traceback=traceback,
                seconds=seconds,
                finished_at=now(),
            )
        )


def link_asset(engine: Engine, asset_id: str, stage: str, run_id: int, reused: bool) -> None:
    """Record which run gave the asset this stage."""
    with writing(engine) as session:
        advisory_lock(session, asset_id)
        known = session.get(AssetStage, (asset_id, stage))
        if known is None or known.stage_run_id != run_id:  # seen again after a restart, it is still the asset's own
            session.merge(AssetStage(asset_id=asset_id, stage=stage, stage_run_id=run_id, reused=reused))


def photo_artifact(engine: Engine, new: NewArtifact) -> Stored:
    """The row of a photo's object, made once for each content. Raises :class:`ObjectsCollected`."""
    with writing(engine) as session:
        advisory_lock(session, new.sha256)
        take_marks(session, [new.key])
        row = session.scalars(
            select(Artifact).where(Artifact.sha256 == new.sha256, Artifact.kind == new.kind, Artifact.made_by.is_(None))
        ).first()
        if row is None:
            row = Artifact(made_by=None, **vars(new))
            session.add(row)
            session.flush()
        row.collected_at = None  # given up before, and here again
        return stored_of(row)
