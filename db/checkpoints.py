"""The register of weights: what may be used, and under which licence."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Engine, or_, select

from db.engine import advisory_lock, reading, writing
from db.tables import Artifact, Asset, AssetStage, Checkpoint, Product, StageRun


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
    territory: str | None = None
    revenue_cap: str | None = None


def _row(c: Checkpoint) -> CheckpointRow:
    return CheckpointRow(**{field.name: getattr(c, field.name) for field in fields(CheckpointRow)})


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


def add_checkpoint(engine: Engine, row: CheckpointRow) -> None:
    """Register weights, or update the record of the same content under the same name."""
    with writing(engine) as session:
        advisory_lock(session, row.sha256)
        known = session.scalars(
            select(Checkpoint).where(
                Checkpoint.name == row.name, Checkpoint.kind == row.kind, Checkpoint.sha256 == row.sha256
            )
        ).first()
        if known is None:
            session.add(Checkpoint(**vars(row)))
            return
        for name, value in vars(row).items():
            setattr(known, name, value)


@dataclass(frozen=True)
class TouchedAsset:
    """An asset that weights had a part in."""

    sku: str
    asset_id: str
    status: str
    stages: list[str]
    """What they computed."""
    glb: str | None


def assets_touched(engine: Engine, sha256: str) -> list[TouchedAsset]:
    """Every asset that weights of this content had a part in, as view model or as segmenter: SKU, asset id, status,
    the stages they computed, and where the GLB is."""
    models = StageRun.parameters["models"]
    part = or_(*(models[role].as_string() == sha256 for role in ("views", "segmenter")))
    query = (
        select(Product.sku, Asset.id, Asset.status, AssetStage.stage, Artifact.uri)
        .join(Asset, Asset.product_id == Product.id)
        .join(AssetStage, AssetStage.asset_id == Asset.id)
        .join(StageRun, StageRun.id == AssetStage.stage_run_id)
        .outerjoin(Artifact, Artifact.id == Asset.glb_id)
        .where(part)
        .order_by(Product.sku, Asset.id, StageRun.id)
    )
    touched: dict[str, TouchedAsset] = {}
    with reading(engine) as session:
        for sku, asset_id, status, stage, glb in session.execute(query):
            touched.setdefault(asset_id, TouchedAsset(sku, asset_id, status, [], glb)).stages.append(stage)
    return list(touched.values())
