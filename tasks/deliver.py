"""What is published, handed over to a sales channel: a folder a product, verified, and the channel's table."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel
from sqlalchemy import Engine

from core.errors import InputError, MeshFailed, MeshmillError, NotFound, ObjectMissing, StoreDown
from core.mesh.channels import Channel, Fitted, Parcel, find_channel, fit_glb
from core.photos.names import distinct_file_names, file_name
from core.whole_file import whole_file
from db import assets
from db.finished import FinishedAsset, finished_assets
from storage import read_bytes
from tasks.factory import Factory
from tasks.remake import read_whole

GLB, USDZ, POSTER, RECORD = "model.glb", "model.usdz", "poster.png", "product.json"


class DeliveredFile(BaseModel):
    """A file of a delivered product."""

    sha256: str
    bytes: int


class DeliveredProduct(BaseModel):
    """What is on record of a product that was handed over: its folder's ``product.json``."""

    catalogue: str
    sku: str
    name: str
    alt_text: str
    size_m: tuple[float | None, float | None, float | None]
    """Width, height, depth."""
    size_known: bool
    licence: str
    model: str
    recipe: str
    asset_id: str
    reviewer: str | None
    built_at: datetime
    published_at: datetime
    channel: str
    profile: str
    source: str
    """The published GLB's sha256."""
    changes: tuple[str, ...]
    """What was done to it to fit the channel; none: it is handed over as it is."""
    files: dict[str, DeliveredFile]


@dataclass(frozen=True)
class Refused:
    """A product that was not delivered."""

    catalogue: str
    sku: str
    reason: str


@dataclass(frozen=True)
class Delivery:
    """What was handed over."""

    channel: str
    folder: str
    table: str
    products: tuple[DeliveredProduct, ...]
    refused: tuple[Refused, ...]


def deliver(
    factory: Factory,
    channel_name: str,
    out: Path,
    *,
    url: str | None = None,
    catalogue: str | None = None,
    skus: Sequence[str] = (),
    each: Callable[[str], None] = lambda sku: None,
) -> Delivery:
    """Hand over what is published: of these SKUs (globs), of a catalogue's name, or all. ``url``: where the folder will
    stand on the web; ``each`` hears of every product. A product that cannot be handed over stops no other.

    Raises :class:`InputError` for an unknown channel or one that wants links without a ``url``, :class:`NotFound`
    where nothing is published under these names, :class:`StoreDown`.
    """
    channel = find_channel(channel_name)
    if channel.wants_links and not url:
        raise InputError(f"A table for {channel_name} names addresses: say --url, where {out} will stand on the web.")
    rows = _published(factory, catalogue, skus)
    names = _folders(rows)
    records: list[DeliveredProduct] = []
    parcels: list[Parcel] = []
    refused: list[Refused] = []
    for row in rows:
        try:
            folder = names[row.catalogue, row.sku]
            records.append(_product(factory, row, channel, channel_name, out / folder))
            parcels.append(_parcel(row, records[-1], folder, url))
            each(row.sku)
        except StoreDown:
            raise
        except MeshmillError as error:
            refused.append(Refused(row.catalogue, row.sku, error.whole))
    table = out / f"{channel_name}.csv"
    _write(table, _csv([channel.row(parcel) for parcel in parcels]))
    return Delivery(channel_name, str(out), str(table), tuple(records), tuple(refused))


def _published(factory: Factory, catalogue: str | None, skus: Sequence[str]) -> list[FinishedAsset]:
    found: dict[str, FinishedAsset] = {}
    for sku in skus or (None,):
        rows = factory.retry_database(_rows, catalogue, sku)
        if not rows:
            raise NotFound(
                f"Nothing is published{f' of {sku}' if sku else ''}{f' in {catalogue}' if catalogue else ''}: "
                "`meshmill assets --status finished` lists what is."
            )
        found |= {row.asset_id: row for row in rows}
    return list(found.values())


def _rows(engine: Engine, catalogue: str | None, sku: str | None) -> list[FinishedAsset]:
    return list(finished_assets(engine, catalogue=catalogue, sku=sku))


def _folders(rows: Sequence[FinishedAsset]) -> dict[tuple[str, str], str]:
    """A folder's path for each product, unlike also where a disk does not tell capitals from small letters; below a
    catalogue's own where there are several."""
    several = len({row.catalogue for row in rows}) > 1
    paths = {
        (row.catalogue, row.sku): (f"{file_name(row.catalogue)}/" if several else "") + file_name(row.sku)
        for row in rows
    }
    return distinct_file_names(paths, {key: key[1] for key in paths})


def _product(
    factory: Factory, row: FinishedAsset, channel: Channel, channel_name: str, folder: Path
) -> DeliveredProduct:
    """Write a product's folder; its record. What stands there already, whole and of the same model, is left alone."""
    record = folder / RECORD
    before = _standing(record)
    if before is not None and (before.source, before.channel) == (row.sha256, channel_name):
        return before
    levels = [_read(factory, row, "glb")]
    if levels[0] is None:
        raise ObjectMissing(f"The model of {row.sku} is not in the store.")
    levels += [_read(factory, row, kind) for kind in ("lod1.glb", "lod2.glb", "lod3.glb")]
    fitted = fit_glb([level for level in levels if level is not None], channel.profile)
    files = {GLB: fitted.data, USDZ: _usdz(factory, row, fitted)}
    if (poster := _read(factory, row, "hero.png")) is not None:
        files[POSTER] = poster
    said = DeliveredProduct(
        catalogue=row.catalogue,
        sku=row.sku,
        name=row.name or row.sku,
        alt_text=alt_text(row),
        size_m=(row.width_m, row.height_m, row.depth_m),
        size_known=bool(row.size_known),
        licence=row.licence or "",
        model=row.model,
        recipe=row.recipe,
        asset_id=row.asset_id,
        reviewer=row.reviewer,
        built_at=row.built_at,
        published_at=row.published_at,
        channel=channel_name,
        profile=channel.profile,
        source=row.sha256,
        changes=fitted.changes,
        files={
            name: DeliveredFile(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
            for name, data in files.items()
        },
    )
    for name, data in files.items():
        _write(folder / name, data)
    _write(record, (said.model_dump_json(indent=1) + "\n").encode())
    return said


def alt_text(row: FinishedAsset) -> str:
    """What a person who cannot see the model is told."""
    text = f"{row.name or row.sku}, a 3D model"
    sides = (row.width_m, row.height_m, row.depth_m)
    if row.size_known and all(side is not None for side in sides):
        text += ", " + " by ".join(f"{100 * (side or 0):.0f}" for side in sides) + " cm (width by height by depth)"
    return text


def _usdz(factory: Factory, row: FinishedAsset, fitted: Fitted) -> bytes:
    """The published USDZ, or one of the model that is handed over. Raises :class:`MeshFailed`."""
    from core.mesh.gltf import read_glb, unpack_glb
    from core.mesh.usdz import validate_usdz, write_usdz

    if not fitted.changes and (data := _read(factory, row, USDZ)) is not None:
        return data
    document, _ = unpack_glb(fitted.data)
    asset = document["asset"]
    data = write_usdz(read_glb(fitted.data), row.sku, asset.get("copyright", ""), asset.get("extras"))
    if faults := validate_usdz(data):
        raise MeshFailed(f"USD's validators refuse the USDZ: {'; '.join(faults)[:300]}.")
    return data


def _read(factory: Factory, row: FinishedAsset, kind: str) -> bytes | None:
    """A published file's bytes, made again first where it is not there, whole; None where there is none."""
    stored = factory.retry_database(assets.artifact, row.asset_id, kind, published=True)
    if stored is None:
        return None
    return read_whole(factory, stored, partial(read_bytes, factory.store, stored.key, stored.sha256))


def _standing(record: Path) -> DeliveredProduct | None:
    """A delivered product's record, where all its files are as it says."""
    try:
        said = DeliveredProduct.model_validate_json(record.read_bytes())
        for name, file in said.files.items():
            with (record.parent / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                    return None
    except (OSError, ValueError):
        return None
    return said


def _parcel(row: FinishedAsset, record: DeliveredProduct, folder: str, url: str | None) -> Parcel:
    def place(name: str) -> str:
        if name not in record.files:
            return ""
        return f"{url.rstrip('/')}/{quote(folder)}/{name}" if url else f"{folder}/{name}"

    width, height, depth = row.width_m, row.height_m, row.depth_m
    known = row.size_known and width is not None and height is not None and depth is not None
    return Parcel(
        sku=row.sku,
        name=row.name or row.sku,
        catalogue=row.catalogue,
        alt=record.alt_text,
        glb=place(GLB),
        usdz=place(USDZ),
        poster=place(POSTER),
        size_cm=(100 * (width or 0), 100 * (height or 0), 100 * (depth or 0)) if known else None,
        licence=row.licence or "",
        sha256=record.files[GLB].sha256,
    )


def _csv(rows: Sequence[dict[str, str]]) -> bytes:
    """A table with a head line. Cells stand as they are: a channel looks for the very SKU."""
    text = io.StringIO()
    if rows:
        out = csv.DictWriter(text, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    return text.getvalue().encode()


def _write(path: Path, data: bytes) -> None:
    with whole_file(path) as partial_file:
        partial_file.write_bytes(data)
