"""What `/api/v1` answers, as its OpenAPI document has it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """Why a request was not answered."""

    code: str = Field(description="For programs, such as `not_found`.")
    message: str = Field(description="One sentence for a person.")


class Why(BaseModel):
    """One thing to know about an asset."""

    model_config = ConfigDict(extra="allow")
    code: str
    severity: str = Field(description="`blocks`, `affects` or `note`.")
    message: str
    action: str = ""


class FileOf(BaseModel):
    """A file of an asset."""

    kind: str = Field(description="`model.glb`, `model.usdz`, `poster.png`, …")
    url: str = Field(description="Below this server. `/files/…` is stable: it always leads to what is published.")
    sha256: str
    bytes: int
    media_type: str


class Size(BaseModel):
    """Metres along the GLB's axes."""

    width_m: float
    height_m: float
    depth_m: float
    known: bool = Field(description="False: the longest side is one unit, since nobody said how large the product is.")


class Made(BaseModel):
    """An object that a stage read or made."""

    name: str
    sha256: str


class StageOf(BaseModel):
    """One stage of how an asset was made."""

    stage: str
    version: int
    key: str = Field(description="sha256 of everything that the stage's outcome follows from.")
    state: str
    reused: bool
    seconds: float | None
    device: str | None
    inputs: list[Made]
    artifacts: list[Made]


class ReviewOf(BaseModel):
    """A person's decision."""

    model_config = ConfigDict(extra="ignore")
    decision: str
    note: str | None
    reviewer: str | None
    at: datetime


class AssetSummary(BaseModel):
    """An asset of a list."""

    asset_id: str
    catalogue: str
    sku: str
    name: str
    status: str
    reasons: list[Why]
    score: float | None
    faces: int | None
    bytes: int | None
    size_known: bool
    recipe: str
    model: str
    licence: str | None = Field(description="Of the product's photo or of the weights, as far as it is on record.")
    created_at: datetime
    finished_at: datetime | None


class AssetDetail(AssetSummary):
    """Everything about an asset."""

    published: bool = Field(description="Whether this asset is what readers of its product get.")
    size: Size | None
    files: list[FileOf]
    embed_url: str | None
    metrics: dict[str, float | None]
    parameters: dict[str, Any]
    photo_sha256: str
    photo_licence: str | None
    lineage: list[StageOf]
    reviews: list[ReviewOf]


class AssetPage(BaseModel):
    """Assets, in the order in which they settled."""

    assets: list[AssetSummary]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class CatalogueOf(BaseModel):
    """A catalogue."""

    name: str


class Catalogues(BaseModel):
    """All catalogues."""

    catalogues: list[CatalogueOf]


class Decide(BaseModel):
    """A decision about an asset."""

    model_config = ConfigDict(extra="forbid")
    decision: str = Field(description="`approve`, `reject` or `better-photo`, as on the page.", max_length=40)
    note: str | None = Field(None, max_length=2000)
    reviewer: str | None = Field(None, max_length=200, description="With the shared token only: users have names.")


class DecidedOf(BaseModel):
    """A decision as it stands on record."""

    asset_id: str
    decision: str
    before: str
    status: str
    note: str | None
    reviewer: str | None
    at: datetime


Status = Literal["queued", "running", "finished", "review", "failed", "quarantined", "superseded"]
