"""Catalogues as CSV or JSON: SKU, photos, name, real height, licence, credit, camera elevation."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.errors import InputError
from core.photos.names import display_name
from db.catalogue import FoundPhoto, FoundProduct
from tasks.sources import found_photo, missing_photo, sku_of


class ManifestRow(BaseModel):
    """One product. In CSV several photos are separated by ``;``; empty cells are absent.

    The first photo is the best view: azimuth (degrees from the product's front) and elevation are its camera's.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)

    sku: str = Field(min_length=1, max_length=300)
    photo: list[str] = Field(min_length=1, max_length=100)
    name: str | None = None
    height_cm: float | None = Field(None, gt=0, lt=100_000)
    width_cm: float | None = Field(None, gt=0, lt=100_000)
    depth_cm: float | None = Field(None, gt=0, lt=100_000)
    licence: str | None = None
    attribution: str | None = Field(None, max_length=500)
    azimuth: float | None = Field(None, ge=-360, le=360)
    elevation: float | None = Field(None, ge=-90, le=90)

    @field_validator("photo", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value


def read_manifest(path: Path) -> list[FoundProduct]:
    """Products of a manifest; photo paths are relative to it and may not leave its folder.

    Raises :class:`InputError` naming row and field.
    """
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path)
    products: dict[str, FoundProduct] = {}
    for number, values in enumerate(rows, 1):
        try:
            row = ManifestRow.model_validate(values)
        except ValidationError as error:
            details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InputError(f"Row {number} of {path.name} does not validate: {details}.") from error
        sku = sku_of(row.sku)
        if sku in products:
            raise InputError(f"Row {number} of {path.name} names the SKU {display_name(row.sku)} a second time.")
        photos = tuple(_photo(path.parent, name, number, row) for name in row.photo)
        shown = display_name(row.name or row.sku)
        facts = row.model_dump(include={"height_cm", "width_cm", "depth_cm", "azimuth", "elevation", "licence"})
        products[sku] = FoundProduct(sku, shown, photos, **facts)
    return [products[sku] for sku in sorted(products)]


def _photo(folder: Path, name: str, number: int, row: ManifestRow) -> FoundPhoto:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"Row {number}: the photo {display_name(name)} lies outside the manifest's folder.")
    try:
        found = found_photo(path, row.licence)
    except OSError:
        found = missing_photo(path, row.licence)
    return replace(found, attribution=row.attribution)


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return [{k: v for k, v in row.items() if v not in ("", None)} for row in csv.DictReader(stream)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"The manifest {path.name} is not a CSV file in UTF-8: {error}.") from error


def _json_rows(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"The manifest {path.name} is not JSON: {error}.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"The manifest {path.name} must be a list of objects with sku and photo.")
    return rows
