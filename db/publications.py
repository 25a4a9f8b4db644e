"""What is published of each product: the asset that readers get, whatever becomes of it while it is built again."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from db.tables import Artifact, Asset, Publication

COPIED = ("asset_id", "glb_id", "faces", "bytes", "score", "published_at")


def publish(session: Session, asset_id: str) -> None:
    """From now on the asset, as it stands, is its product's published one; without a GLB there is none to publish."""
    values = (Asset.product_id, Asset.id, Asset.glb_id, Asset.faces, Asset.bytes, Asset.score, Asset.finished_at)
    found = select(*values).where(Asset.id == asset_id, Asset.glb_id.is_not(None))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    new = insert(Publication).from_select(["product_id", *COPIED], found)
    session.execute(
        new.on_conflict_do_update(
            index_elements=[Publication.product_id], set_={name: new.excluded[name] for name in COPIED}
        )
    )


def withdraw(session: Session, asset_id: str) -> None:
    """A person rejected this very asset: its product has no published one, unless another is."""
    session.execute(delete(Publication).where(Publication.asset_id == asset_id))


def is_published(session: Session, asset_id: str) -> bool:
    """Whether readers get this asset."""
    return bool(session.scalar(select(exists().where(Publication.asset_id == asset_id))))


def counts() -> ColumnElement[bool]:
    """Whether an asset is more than a record of what was."""
    return or_(Asset.status != "superseded", exists().where(Publication.asset_id == Asset.id).correlate(Asset))


def in_published_run() -> ColumnElement[bool]:
    """Whether an artifact was made by the very run that made a published GLB."""
    glb = aliased(Artifact)
    return exists().where(Publication.glb_id == glb.id, glb.made_by == Artifact.made_by).correlate(Artifact)
