"""What may go: objects that no row refers to, rows that no asset needs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, select

from db.engine import reading
from db.tables import Artifact

PAGE = 500


def referenced(engine: Engine, keys: Sequence[str]) -> set[str]:
    """Which of these object keys some artifact's row refers to."""
    found: set[str] = set()
    with reading(engine) as session:
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE]
            found.update(session.scalars(select(Artifact.key).where(Artifact.key.in_(page))))
    return found
