"""The register of weights: what may be used, and under which licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from db.engine import reading, writing
from db.tables import Asset, Checkpoint, Product


@dataclass(frozen=True)
class CheckpointRow:
    """A registered model."""

    name: str
    kind: str
    sha256: str
    path: str
    revision: str | None
    licence: str | None
    commercial: bool | None
    attribution: str | None


def _row(c: Checkpoint) -> CheckpointRow:
    return CheckpointRow(c.name, c.kind, c.sha256, c.path, c.revision, c.licence, c.commercial, c.attribution)


def find_checkpoint(engine: Engine, name: str, kind: str) -> CheckpointRow | None:
    """The newest registration of a name."""
    query = (
        select(Checkpoint)
        .where(Checkpoint.name == name, Checkpoint.kind == kind)
        .order_by(Checkpoint.id.desc())
        .limit(1)
    )
    with reading(engine) as session:
        row = session.scalars(query).first()
        return None if row is None else _row(row)


def list_checkpoints(engine: Engine) -> list[CheckpointRow]:
    with reading(engine) as session:
        return [_row(c) for c in session.scalars(select(Checkpoint).order_by(Checkpoint.id))]


def add_checkpoint(engine: Engine, row: CheckpointRow, **more: Any) -> None:
    """Register weights, or update the record of the same content under the same name."""
    with writing(engine) as session:
        known = session.scalars(
            select(Checkpoint).where(
                Checkpoint.name == row.name, Checkpoint.kind == row.kind, Checkpoint.sha256 == row.sha256
            )
        ).first()
        if known is None:
            session.add(Checkpoint(**vars(row), **more))
            return
        for name, value in {**vars(row), **more}.items():
            setattr(known, name, value)


def assets_of_model(engine: Engine, label: str) -> list[str]:
    """SKUs of every asset that a view model touched, by its name or ``name@hash`` label."""
    with reading(engine) as session:
        query = select(Product.sku).join(Asset, Asset.product_id == Product.id).where(Asset.model.like(label + "%"))
        return list(session.scalars(query.distinct().order_by(Product.sku)))
