"""Rows of the database as what `/api/v1` answers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from core.records import to_json
from db import gallery as queries
from db.assets import AssetRow
from db.lineage import lineage
from db.published import published_files
from gallery.api.addresses import NAME_OF_KIND, asset_file_url, embed_url, file_url
from gallery.api.models import AssetDetail, AssetSummary, FileOf, Made, ReviewOf, Size, StageOf, Why


def summary(row: AssetRow) -> AssetSummary:
    return AssetSummary(**_summary(to_json(row)))


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    given = {name: row[name] for name in AssetSummary.model_fields if name != "reasons"}
    return given | {"reasons": [Why.model_validate(reason) for reason in row["reasons"]]}


def detail(engine: Engine, asset_id: str) -> AssetDetail:
    """Raises :class:`core.errors.NotFound`."""
    row = to_json(lineage(engine, asset_id))
    catalogue, sku = row["catalogue"], row["sku"]
    shown = published_files(engine, catalogue, sku)
    is_published = any(file.asset_id == asset_id for file in shown.values())
    files = []
    for kind, file in queries.files(engine, asset_id).items():
        if (name := NAME_OF_KIND.get(kind)) is None:
            continue
        same = is_published and kind in shown and shown[kind].sha256 == file.sha256
        url = file_url(catalogue, sku, name) if same else asset_file_url(asset_id, name)
        stored = {field: getattr(file, field) for field in ("sha256", "bytes", "media_type")}
        files.append(FileOf(kind=name, url=url, **stored))
    return AssetDetail(
        **_summary(row),
        published=is_published,
        size=_size(row["stages"]),
        files=files,
        embed_url=embed_url(catalogue, sku) if is_published and "glb" in shown else None,
        metrics=row["metrics"],
        parameters=row["parameters"],
        photo_sha256=row["photo"]["sha256"],
        photo_licence=row["photo"]["licence"],
        lineage=[_stage(stage) for stage in row["stages"]],
        reviews=[ReviewOf.model_validate(review) for review in row["reviews"]],
    )


def _size(stages: list[dict[str, Any]]) -> Size | None:
    """As the finish stage measured it."""
    figures = next((stage["figures"] or {} for stage in reversed(stages) if stage["stage"] == "finish"), {})
    sides: list[float] = figures.get("size_m") or []
    if len(sides) != 3:
        return None
    return Size(width_m=sides[0], height_m=sides[1], depth_m=sides[2], known=bool(figures.get("size_known")))


def _stage(stage: dict[str, Any]) -> StageOf:
    return StageOf(
        **{name: stage[name] for name in ("version", "key", "state", "reused", "seconds", "device")},
        stage=stage["part"],
        inputs=[Made(name=read["role"], sha256=read["sha256"]) for read in stage["inputs"]],
        artifacts=[Made(name=made["kind"], sha256=made["sha256"]) for made in stage["artifacts"]],
    )
