"""This database's own name, and what it last told the store."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import Engine, select, update

from db.engine import advisory_lock, reading, writing
from db.tables import Asset, Installation


@dataclass(frozen=True)
class Own:
    """Which database this is."""

    id: str
    tokens: frozenset[str]
    """What the store may have been told last: two of them after a crash in mid-telling, none before the first time."""


def own(engine: Engine) -> Own:
    """This database's name, given to it when it is first asked for."""
    with reading(engine) as session:
        row = session.scalars(select(Installation)).first()
    if row is None:
        with writing(engine) as session:
            advisory_lock(session, "installation")
            row = session.scalars(select(Installation)).first()
            if row is None:
                row = Installation(id=uuid.uuid4().hex)
                session.add(row)
                session.flush()
    return Own(row.id, frozenset(token for token in (row.token, row.next_token) if token))


def announce(engine: Engine) -> str:
    """A new token, on record before the store is told it."""
    token = uuid.uuid4().hex
    with writing(engine) as session:
        session.execute(update(Installation).values(next_token=token))
    return token


def announced(engine: Engine, token: str) -> None:
    """The store has been told this token."""
    with writing(engine) as session:
        session.execute(update(Installation).values(token=token, next_token=None))


def has_assets(engine: Engine) -> bool:
    with reading(engine) as session:
        return session.scalar(select(Asset.id).limit(1)) is not None
