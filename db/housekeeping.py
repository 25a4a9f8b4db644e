"""What may go: objects that no row refers to, and what only superseded assets were made of.

An object is marked when nothing refers to it, and deleted by a later collection while the mark still stands: longer
after it than a stage may take between storing a file and recording it. Whoever records a file takes its mark away in
the same transaction, or learns there that it is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, delete, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from db.engine import advisory_lock, reading, writing
from db.leases import clock
from db.publications import counts, in_published_run
from db.tables import Artifact, ArtifactInput, Asset, AssetStage, CollectionMark, Photo, StageRun, now

PAGE = 500

DELETING_SECONDS = 600
"""Longer than one DELETE may take with all its tries: after that its process is taken to be dead."""

REMEMBERED_SECONDS = 30 * 86_400
"""How long it stays known that an object was deleted, for a process that was stopped between storing and recording."""


class ObjectsCollected(Exception):
    """Objects that were stored are gone again, collected before they were recorded: store them once more."""


def _lives() -> Any:
    """Artifacts of stages that an asset which counts was made with, or that were published with their GLB."""
    used = exists().where(AssetStage.stage_run_id == Artifact.made_by, Asset.id == AssetStage.asset_id, counts())
    return or_(used, in_published_run())


def _outlived(before: datetime) -> Any:
    """Artifacts older than ``before`` that only superseded assets have a use for: their own stages' results, and photos
    that are neither in the catalogue any more nor were read for an asset that counts."""
    uses = exists().where(AssetStage.stage_run_id == Artifact.made_by)
    replaced = exists().where(StageRun.id == Artifact.made_by, StageRun.state == "replaced")
    shown = exists().where(Photo.sha256 == Artifact.sha256, Photo.current)
    built = exists().where(Photo.sha256 == Artifact.sha256, Asset.photo_id == Photo.id, counts())
    taken = aliased(Artifact)
    read = (  # by the cutouts of every asset that counts: further photos, and those that it had before
        select(ArtifactInput.artifact_id)
        .join(taken, and_(taken.id == ArtifactInput.artifact_id, taken.made_by.is_(None)))
        .join(AssetStage, AssetStage.stage_run_id == ArtifactInput.stage_run_id)
        .join(Asset, and_(Asset.id == AssetStage.asset_id, counts()))
    )
    made = and_(Artifact.made_by.is_not(None), or_(uses, replaced), ~_lives())
    photo = and_(Artifact.made_by.is_(None), ~shown, ~built, Artifact.id.not_in(read))
    return and_(Artifact.created_at < before, or_(made, photo))


def needed() -> ColumnElement[bool]:
    """Artifacts whose object must be there: not given up, or taken up again by an asset in the same moment."""
    return or_(Artifact.collected_at.is_(None), _lives())


def referenced(engine: Engine, keys: Sequence[str], before: datetime | None = None) -> set[str]:
    """Which of these object keys some artifact's row has a use for; with ``before``, as if all that superseded assets
    made until then had been collected."""
    with reading(engine) as session:
        return _referenced(session, keys, before)


def _referenced(session: Session, keys: Sequence[str], before: datetime | None = None) -> set[str]:
    found: set[str] = set()
    used = needed() if before is None else and_(needed(), ~_outlived(before))
    for start in range(0, len(keys), PAGE):
        page = keys[start : start + PAGE]
        found.update(session.scalars(select(Artifact.key).where(Artifact.key.in_(page), used)))
    return found


def forget_superseded(engine: Engine, before: datetime) -> int:
    """Mark what superseded assets made until ``before`` as collected; how many artifacts.

    The rows stay, with their hashes: the record still says how the asset was made. Its stage runs are reused no more.
    """
    with writing(engine) as session:
        doomed = select(Artifact.made_by).where(Artifact.collected_at.is_(None), _outlived(before))
        session.execute(
            update(StageRun)
            .where(StageRun.id.in_(doomed), StageRun.state == "finished")
            .values(state="replaced")
            .execution_options(synchronize_session=False)
        )
        marked = session.execute(
            update(Artifact)
            .where(Artifact.collected_at.is_(None), _outlived(before))
            .values(collected_at=now())
            .execution_options(synchronize_session=False)
        )
        return int(marked.rowcount)  # type: ignore[attr-defined]


def mark(engine: Engine, keys: Sequence[str]) -> int:
    """Remember since when nothing has referred to these objects; how many were not marked before."""
    new = 0
    for start in range(0, len(keys), PAGE):
        page = keys[start : start + PAGE]
        with writing(engine) as session:
            advisory_lock(session, "collection")
            rows = session.scalars(select(CollectionMark).where(CollectionMark.key.in_(page))).all()
            moment = clock(session)
            for row in rows:
                if row.deleted:  # stored again since, and still nobody's
                    row.marked, row.deleted = moment, False
            known = {row.key for row in rows}
            session.add_all(CollectionMark(key=key, marked=moment, deleted=False) for key in page if key not in known)
            new += len(page) - len(known)
    return new


def tidy_marks(engine: Engine) -> None:
    """Forget what was deleted long ago, and marks of objects that something refers to again."""
    with writing(engine) as session:
        old = and_(CollectionMark.deleted, CollectionMark.marked < clock(session) - REMEMBERED_SECONDS)
        used = exists().where(Artifact.key == CollectionMark.key, Artifact.collected_at.is_(None))
        stale = or_(old, and_(~CollectionMark.deleted, CollectionMark.deleting_until.is_(None), used))
        session.execute(delete(CollectionMark).where(stale).execution_options(synchronize_session=False))


def may_delete(engine: Engine, key: str, seconds: float) -> bool:
    """Whether the object was marked more than ``seconds`` ago and nothing has referred to it since. Then it counts as
    being deleted until :func:`deleted` is called."""
    with writing(engine) as session:
        moment = clock(session)
        nobody = or_(CollectionMark.deleting_until.is_(None), CollectionMark.deleting_until < moment)
        # First the mark's row, which whoever records this object takes as well: then what they recorded is seen.
        ours = session.execute(
            update(CollectionMark)
            .where(CollectionMark.key == key, ~CollectionMark.deleted, CollectionMark.marked < moment - seconds, nobody)
            .values(deleting_until=moment + DELETING_SECONDS)
        )
        if not ours.rowcount:  # type: ignore[attr-defined]
            return False
        if _referenced(session, [key]):
            session.execute(delete(CollectionMark).where(CollectionMark.key == key))
            return False
    return True


def deleted(engine: Engine, key: str) -> None:
    """The object is gone from the store."""
    with writing(engine) as session:
        session.execute(
            update(CollectionMark)
            .where(CollectionMark.key == key)
            .values(deleted=True, deleting_until=None, marked=clock(session))
        )


def spare(engine: Engine, key: str) -> bool:
    """Somebody is about to store this object, or to rely on it: its mark goes. False while it is being deleted: only
    what is stored after that will stay."""
    with reading(engine) as session:
        if session.get(CollectionMark, key) is None:
            return True
    with writing(engine) as session:
        _take_marks(session, [key], also_deleted=True)
        return session.get(CollectionMark, key) is None


def take_marks(session: Session, keys: Iterable[str]) -> None:
    """In the transaction that records these objects: their marks go. Raises :class:`ObjectsCollected` where one was
    deleted, or is being deleted, since it was stored."""
    wanted = sorted(set(keys))  # in one order, so that two transactions never wait for each other
    if session.scalar(select(CollectionMark.key).where(CollectionMark.key.in_(wanted)).limit(1)) is None:
        return
    _take_marks(session, wanted)
    if session.scalar(select(CollectionMark.key).where(CollectionMark.key.in_(wanted)).limit(1)) is not None:
        raise ObjectsCollected(", ".join(wanted))


def _take_marks(session: Session, keys: Sequence[str], also_deleted: bool = False) -> None:
    ended = or_(CollectionMark.deleting_until.is_(None), CollectionMark.deleting_until < clock(session))
    may = ended if also_deleted else and_(ended, ~CollectionMark.deleted)
    session.execute(delete(CollectionMark).where(CollectionMark.key.in_(keys), may))
