"""The contact sheet of a run: each product's photo beside what was made of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageDraw

from db import assets
from storage import read_bytes
from tasks.factory import Factory

CELL = 192
"""Pixels a picture."""

PICTURES = ("cutout.png", "views.png", "hero.png")
"""Kinds of artifacts that a row shows, left to right: what went in, what the model drew, what came out."""


MOST = 60
"""Products on one sheet."""


class Shown(Protocol):
    """What the sheet needs to know of an asset."""

    @property
    def asset_id(self) -> str: ...

    @property
    def sku(self) -> str: ...

    @property
    def status(self) -> str: ...


def write_sheet(factory: Factory, assets_of_run: Sequence[Shown], path: Path) -> str | None:
    """A picture with a row a product , at most 60; None where there is none yet."""
    rows = []
    for asset in assets_of_run[:MOST]:
        pictures = [picture for kind in PICTURES if (picture := _picture(factory, asset.asset_id, kind))]
        rows.append((asset, pictures))
    width = max((len(pictures) for _, pictures in rows), default=0)
    if not width:
        return None
    sheet = Image.new("RGB", (width * CELL + 8, len(rows) * (CELL + 20) + 8), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (asset, pictures) in enumerate(rows):
        top = 4 + number * (CELL + 20)
        draw.text((6, top + 3), f"{asset.sku}  {asset.status}".encode("latin-1", "replace"), fill="black")
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (4 + column * CELL, top + 18))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return str(path)


def _picture(factory: Factory, asset_id: str, kind: str) -> Image.Image | None:
    stored = factory.retry_database(assets.artifact, asset_id, kind)
    if stored is None:
        return None
    image = Image.open(io.BytesIO(read_bytes(factory.store, stored.key, stored.sha256))).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    white.thumbnail((CELL, CELL))
    cell = Image.new("RGB", (CELL, CELL), "white")
    cell.paste(white.convert("RGB"), ((CELL - white.width) // 2, (CELL - white.height) // 2))
    return cell
