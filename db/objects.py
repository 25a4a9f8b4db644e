"""What must stand in the store, and where each object comes from: for checking it, and for making it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, and_, or_, select

from db.engine import reading
from db.housekeeping import needed
from db.stage_runs import Stored, stored_of
from db.tables import Artifact, ArtifactInput, Asset, AssetStage, Catalogue, Photo, Product, Publication, StageRun

PAGE = 500


@dataclass(frozen=True)
class Window:
    """A part of all hashes: from ``start`` so far as ``share`` of them, round past the end; both 0 to 1."""

    start: float = 0.0
    share: float = 1.0

    def condition(self) -> Any:
        """On the artifacts' sha256, which are spread evenly."""
        if self.share >= 1:
            return Artifact.sha256.is_not(None)
        end = self.start + self.share
        above = Artifact.sha256 >= _hexadecimal(self.start)
        below = Artifact.sha256 < _hexadecimal(end % 1)
        return and_(above, below) if end < 1 else or_(above, below)


def _hexadecimal(share: float) -> str:
    return f"{int(share * 2**52):013x}"


def wanted(engine: Engine, window: Window) -> Iterator[list[Stored]]:
    """Pages of the objects that rows have a use for, each once, by their hash."""
    query = select(Artifact).where(needed(), window.condition()).order_by(Artifact.sha256, Artifact.key, Artifact.id)
    after: Any = None
    while True:
        page = query if after is None else query.where(or_(Artifact.sha256 > after[0], and_(
            Artifact.sha256 == after[0], Artifact.key > after[1])))  # fmt: skip
        with reading(engine) as session:
            rows = [stored_of(row) for row in session.scalars(page.limit(PAGE))]
        if not rows:
            return
        after = (rows[-1].sha256, rows[-1].key)
        yield list({row.key: row for row in reversed(rows)}.values())[::-1]


@dataclass(frozen=True)
class Origin:
    """The stage run that made an artifact, and all that it took."""

    key: str
    stage: str
    version: int
    parameters: dict[str, Any]
    ladder: int
    inputs: dict[str, Stored]
    made: tuple[Stored, ...]


def origins(engine: Engine, key: str) -> list[Origin]:
    """The ended stage runs whose object this is, newest first; none for a photo."""
    with reading(engine) as session:
        runs = session.scalars(
            select(StageRun)
            .where(StageRun.id.in_(select(Artifact.made_by).where(Artifact.key == key)))
            .order_by(StageRun.id.desc())
        ).all()
        found = []
        for run in runs:
            read = session.execute(
                select(ArtifactInput.role, Artifact)
                .join(Artifact, Artifact.id == ArtifactInput.artifact_id)
                .where(ArtifactInput.stage_run_id == run.id)
            ).all()
            made = session.scalars(select(Artifact).where(Artifact.made_by == run.id).order_by(Artifact.id)).all()
            inputs = {role: stored_of(row) for role, row in read}
            found.append(
                Origin(run.key, run.stage, run.version, run.parameters, run.ladder, inputs, tuple(map(stored_of, made)))
            )
        return found


def photo_places(engine: Engine, sha256: str) -> list[str]:
    """Where a photo of this content lay, what is current first."""
    query = select(Photo.source_uri).where(Photo.sha256 == sha256).order_by(Photo.current.desc(), Photo.id.desc())
    with reading(engine) as session:
        return list(dict.fromkeys(session.scalars(query)))


@dataclass(frozen=True)
class User:
    """An asset that an object is of."""

    catalogue: str
    sku: str
    asset_id: str
    published: bool
    """Readers get this very object."""


def users(engine: Engine, key: str) -> list[User]:
    """Assets that the object was made for, and those that were built from it as their photo."""
    glb = select(Artifact.made_by).join(Publication, Publication.glb_id == Artifact.id)
    made_by = select(Artifact.made_by).where(Artifact.key == key, Artifact.made_by.is_not(None))
    photos = select(Artifact.sha256).where(Artifact.key == key, Artifact.made_by.is_(None))
    published = (
        select(Publication.asset_id)
        .join(Artifact, Artifact.id == Publication.glb_id)
        .where(Artifact.made_by.in_(made_by.where(Artifact.made_by.in_(glb))))
    )
    with reading(engine) as session:
        given = set(session.scalars(published))
        linked = select(AssetStage.asset_id).where(AssetStage.stage_run_id.in_(made_by))
        of_photo = select(Asset.id).join(Photo, Photo.id == Asset.photo_id).where(Photo.sha256.in_(photos))
        rows = session.execute(
            select(Catalogue.name, Product.sku, Asset.id)
            .select_from(Asset)
            .join(Product, Product.id == Asset.product_id)
            .join(Catalogue, Catalogue.id == Product.catalogue_id)
            .where(or_(Asset.id.in_(linked), Asset.id.in_(of_photo), Asset.id.in_(given)))
            .order_by(Asset.id)
        ).all()
    return [User(catalogue, sku, asset_id, asset_id in given) for catalogue, sku, asset_id in rows]
