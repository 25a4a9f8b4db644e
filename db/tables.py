"""The tables. DESIGN's list, typed; every other module of this room reads and writes these."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

STATUSES = ("queued", "running", "finished", "review", "failed", "quarantined", "superseded")
"""What an asset can be; the last five are terminal."""


class Utc(TypeDecorator[datetime]):
    """Aware UTC in Python on every database; SQLite keeps no zone, so it is dropped and added here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: Utc, dict[str, Any]: JSON, list[str]: JSON, list[dict[str, Any]]: JSON}  # noqa: RUF012


BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only in INTEGER columns


class Catalogue(Base):
    """Where photos come from: a folder, a prefix in a store, a manifest."""

    __tablename__ = "catalogue"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    source_uri: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Product(Base):
    """One SKU of a catalogue."""

    __tablename__ = "product"
    __table_args__ = (UniqueConstraint("catalogue_id", "sku"), Index("ix_product_sku", "sku"))
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    catalogue_id: Mapped[int] = mapped_column(ForeignKey("catalogue.id"))
    sku: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(Text)
    height_cm: Mapped[float | None] = mapped_column(Float)
    width_cm: Mapped[float | None] = mapped_column(Float)
    depth_cm: Mapped[float | None] = mapped_column(Float)
    azimuth: Mapped[float | None] = mapped_column(Float)
    """Degrees from the product's front to the chosen photo's camera, recorded; elevation: the camera's."""
    elevation: Mapped[float | None] = mapped_column(Float)
    licence: Mapped[str | None] = mapped_column(Text)
    problem: Mapped[str | None] = mapped_column(Text)
    """Why the catalogue's own line about it cannot be used: its asset is quarantined with this sentence."""
    warnings: Mapped[list[str] | None]
    """What is wrong with its photos beside the ones that are used, a sentence each."""
    priority: Mapped[int | None] = mapped_column(Integer)
    """Built in rising order; where the catalogue says nothing: 100."""
    variant_of: Mapped[str | None] = mapped_column(String(200))
    """The SKU whose shape it shares in another colour."""
    removed: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Photo(Base):
    """One version of one photo: new bytes make a new row, the old one stops being current."""

    __tablename__ = "photo"
    __table_args__ = (
        Index("ix_photo_source", "product_id", "source_uri"),
        Index("ix_photo_sha256", "sha256"),
    )
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    source_uri: Mapped[str] = mapped_column(Text)
    file_stamp: Mapped[str] = mapped_column("fingerprint", String(200))
    """Size and modification time (or ETag): while it stands still the file is not read again."""
    licence: Mapped[str | None] = mapped_column(Text)
    attribution: Mapped[str | None] = mapped_column(Text)
    """Whom the published file names, in the words of the manifest."""
    picture_hash: Mapped[str | None] = mapped_column(String(200))
    """Perceptual hash, known once the photo was decoded: the same picture under another name is near it."""
    current: Mapped[bool] = mapped_column(Boolean, default=True)
    chosen: Mapped[bool] = mapped_column(Boolean, default=False)
    """The product's best view: the one its asset is made from."""
    role: Mapped[str | None] = mapped_column(String(20))
    """What it shows (``core.photos.shots.Role``); None: from before roles were recorded."""
    azimuth: Mapped[float | None] = mapped_column(Float)
    """Degrees from the product's front to the camera, positive to the right; elevation: positive up."""
    elevation: Mapped[float | None] = mapped_column(Float)
    said: Mapped[str | None] = mapped_column(String(20))
    """Which side it shows by the word of a person (a role), or ``aside``: the model is not made from it. No reading of
    the source changes it."""
    shot_index: Mapped[int | None] = mapped_column(Integer)
    """Its running number among the product's photos."""
    used_for: Mapped[str | None] = mapped_column(String(20))
    """``main``, ``geometry``, ``record``, ``copy`` or ``unreadable`` (``core.photos.grouping.Use``)."""
    created_at: Mapped[datetime] = mapped_column(default=now)


class RecipeRow(Base):
    """Parameters that assets were made with, by their hash."""

    __tablename__ = "recipe"
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    parameters: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Checkpoint(Base):
    """Weights that may be used, with what their licence allows."""

    __tablename__ = "checkpoint"
    __table_args__ = (UniqueConstraint("name", "kind", "sha256"),)
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    """``views`` or ``segmenter``."""
    sha256: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(Text)
    revision: Mapped[str | None] = mapped_column(Text)
    licence: Mapped[str | None] = mapped_column(Text)
    commercial: Mapped[bool | None] = mapped_column(Boolean)
    """None: unknown, which a commercial recipe refuses."""
    attribution: Mapped[str | None] = mapped_column(Text)
    territory: Mapped[str | None] = mapped_column(Text)
    revenue_cap: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Run(Base):
    """One `meshmill run` or nightly flow."""

    __tablename__ = "run"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    catalogue_id: Mapped[int] = mapped_column(ForeignKey("catalogue.id"))
    recipe_hash: Mapped[str] = mapped_column(ForeignKey("recipe.hash"))
    prefect_run_id: Mapped[str | None] = mapped_column(String(40))
    started_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    summary: Mapped[dict[str, Any] | None]
    stopped: Mapped[str | None] = mapped_column(Text)
    """Why it was stopped before its end, in one sentence: every host that works for it looks here before each stage."""
    streak: Mapped[dict[str, Any] | None]
    """The failures alike that its assets have just ended with, one after the other: what, how many, the last asset."""


class Asset(Base):
    """One product by one photo, one recipe and one set of weights; ``plan_key`` hashes exactly those."""

    __tablename__ = "asset"
    __table_args__ = (
        UniqueConstraint("product_id", "plan_key"),
        Index("ix_asset_status", "status", "created_at"),
        Index("ix_asset_photo", "photo_id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    photo_id: Mapped[int] = mapped_column(ForeignKey("photo.id"))
    recipe_hash: Mapped[str] = mapped_column(ForeignKey("recipe.hash"))
    run_id: Mapped[str | None] = mapped_column(ForeignKey("run.id"))
    plan_key: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(Text)
    """Name and short hash of the view model."""
    status: Mapped[str] = mapped_column(String(20), default="queued")
    verdict: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(Text)
    """The first of the reasons, for a line in a table."""
    reasons: Mapped[list[dict[str, Any]] | None]
    """Everything to know about it, worst first: code, severity, message, action, detail, place."""
    error_class: Mapped[str | None] = mapped_column(String(80))
    failed_nights: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """Runs in a row that ended it with an error which may pass."""
    score: Mapped[float | None] = mapped_column(Float)
    metrics: Mapped[dict[str, Any] | None]
    faces: Mapped[int | None] = mapped_column(Integer)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    seconds: Mapped[float | None] = mapped_column(Float)
    cost: Mapped[float | None] = mapped_column(Float)
    glb_id: Mapped[int | None] = mapped_column(ForeignKey("artifact.id", use_alter=True, name="fk_asset_glb"))
    licence: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class Publication(Base):
    """What readers get of a product: the asset that finished, or was approved, last. Only a person's rejection of that
    very asset takes it away; building it again does not."""

    __tablename__ = "publication"
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), primary_key=True, autoincrement=False)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), index=True)
    glb_id: Mapped[int] = mapped_column(ForeignKey("artifact.id"), index=True)
    """The GLB that was judged; the other published files are those of its stage run."""
    faces: Mapped[int | None] = mapped_column(Integer)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    score: Mapped[float | None] = mapped_column(Float)
    published_at: Mapped[datetime]


class StageRun(Base):
    """One attempt to build one stage key. At most one a key is ``finished``: that one is reused."""

    __tablename__ = "stage_run"
    __table_args__ = (
        Index("ix_stage_run_key", "key"),
        Index(
            "ux_stage_run_finished",
            "key",
            unique=True,
            sqlite_where=text("state = 'finished'"),
            postgresql_where=text("state = 'finished'"),
        ),
    )
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    stage: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(20))
    """``running``, ``finished``, ``failed``, ``replaced``."""
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    parameters: Mapped[dict[str, Any]]
    """Exactly what the key hashes."""
    ladder: Mapped[int] = mapped_column(Integer, default=0)
    """Steps taken down the memory ladder."""
    owner: Mapped[str] = mapped_column(String(200))
    device: Mapped[str | None] = mapped_column(String(80))
    seconds: Mapped[float | None] = mapped_column(Float)
    peak_memory: Mapped[int | None] = mapped_column(BigInteger)
    cost: Mapped[float | None] = mapped_column(Float)
    figures: Mapped[dict[str, Any] | None]
    error_class: Mapped[str | None] = mapped_column(String(80))
    sentence: Mapped[str | None] = mapped_column(Text)
    traceback: Mapped[str | None] = mapped_column(Text)
    prefect_run_id: Mapped[str | None] = mapped_column(String(40))
    started_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class Artifact(Base):
    """One stored object. Keys are content addresses, so equal bytes are stored once."""

    __tablename__ = "artifact"
    __table_args__ = (
        Index("ix_artifact_sha256", "sha256"),
        Index("ix_artifact_made_by", "made_by"),
        Index("ix_artifact_key", "key"),
    )
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    made_by: Mapped[int | None] = mapped_column(ForeignKey("stage_run.id"))
    """None for photos, which nobody here made."""
    kind: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(100))
    collected_at: Mapped[datetime | None]
    """When `meshmill gc --superseded` gave the object up; the row stays as the record."""
    created_at: Mapped[datetime] = mapped_column(default=now)


class ArtifactInput(Base):
    """A lineage edge: this stage run read that artifact."""

    __tablename__ = "artifact_input"
    stage_run_id: Mapped[int] = mapped_column(ForeignKey("stage_run.id"), primary_key=True)
    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(40), primary_key=True)


class AssetStage(Base):
    """Which stage run gave an asset its stage, and whether it was reused."""

    __tablename__ = "asset_stage"
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(20), primary_key=True)
    stage_run_id: Mapped[int] = mapped_column(ForeignKey("stage_run.id"), index=True)
    reused: Mapped[bool] = mapped_column(Boolean)


class Lease(Base):
    """Who builds a key now. Seconds since the epoch by the database's own clock."""

    __tablename__ = "lease"
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200))
    expires: Mapped[float] = mapped_column(Float)


class Installation(Base):
    """This database's own name, one row: a store is told it, so that no other database cleans up there."""

    __tablename__ = "installation"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token: Mapped[str | None] = mapped_column(String(40))
    """What the store was told last, new at every run: a copy of this database, or an older state of it, has another."""
    next_token: Mapped[str | None] = mapped_column(String(40))
    """What it is being told: whether it arrived is not known after a crash in between."""


class CollectionMark(Base):
    """An object that nothing referred to when garbage was last collected. Seconds by the database's own clock."""

    __tablename__ = "collection_mark"
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    marked: Mapped[float] = mapped_column(Float)
    deleting_until: Mapped[float | None] = mapped_column(Float)
    """It is being deleted, by a process that will have died when this moment passes."""
    deleted: Mapped[bool] = mapped_column(Boolean, default=False)
    """It is gone: whoever stored it before and records it only now must store it again."""


class Review(Base):
    """What a person decided about an asset."""

    __tablename__ = "review"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), index=True)
    decision: Mapped[str] = mapped_column(String(20))
    """``approve``, ``reject`` or ``better-photo``; with :data:`UNDONE` behind it where it was taken back."""
    note: Mapped[str | None] = mapped_column(Text)
    reviewer: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=now)
    before: Mapped[dict[str, Any] | None]
    """What taking it back restores: the asset, its product's other assets, what was published."""
    undone_by: Mapped[str | None] = mapped_column(String(200))
    undone_at: Mapped[datetime | None]


UNDONE = ", undone"
"""Stands behind a decision that was taken back: whoever looks for the decision's name does not find it."""


class Mend(Base):
    """What a person knows better than the catalogue of a product; where nothing is said, the catalogue's word holds."""

    __tablename__ = "mend"
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), primary_key=True, autoincrement=False)
    photo_id: Mapped[int | None] = mapped_column(ForeignKey("photo.id"))
    """What to build from."""
    instead_of: Mapped[str | None] = mapped_column(String(64))
    """The hash of the photo that the catalogue chose: when it chooses another, that one counts again."""
    height_cm: Mapped[float | None] = mapped_column(Float)
    width_cm: Mapped[float | None] = mapped_column(Float)
    depth_cm: Mapped[float | None] = mapped_column(Float)
    azimuth: Mapped[float | None] = mapped_column(Float)
    variant_of: Mapped[str | None] = mapped_column(String(200))
    settings: Mapped[str | None] = mapped_column(Text)
    """Recipe and settings to build it by, and the photo that they were chosen for (`tasks.chosen`), JSON."""
    by: Mapped[str | None] = mapped_column(String(200))
    at: Mapped[datetime]


class Comment(Base):
    """What a person wrote about an asset without deciding."""

    __tablename__ = "comment"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), index=True)
    author: Mapped[str | None] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
