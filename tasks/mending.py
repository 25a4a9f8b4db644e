"""Another version of an asset after a person mended something: a photo, the cutout, the front, the size, settings."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import NotFound, UnreadablePhoto
from core.photos import PhotoLimits, read_photo
from core.recipes import load_recipe, of_record, overridden
from db import mends, planning
from db.assets import artifact, job
from db.shots import ShotRow
from tasks.artifacts import load, store_photo
from tasks.chosen import remember
from tasks.factory import Factory
from tasks.models import models_of
from tasks.photo_bytes import read_source
from tasks.plan import plan_candidates

if TYPE_CHECKING:
    from PIL import Image

LARGEST_UPLOAD = 32 * 2**20
"""Bytes of a photo or a mask that a page sends."""


def next_version(
    factory: Factory, asset_id: str, recipe: str | None = None, overrides: Sequence[str] = (), by: str = ""
) -> str:
    """Queue the product's asset as everything stands now, by the asset's own recipe or a named one, with overrides;
    its id. The same asset, queued again, where nothing has changed. Later nights build by these, too.
    Raises :class:`NotFound`, :class:`InvalidRecipe`."""
    found = job(factory.engine, asset_id)
    chosen = load_recipe(recipe, overrides) if recipe else overridden(of_record(found.parameters), overrides)
    page = planning.candidates_by_id(factory.engine, [found.candidate.product_id])
    if not page:
        raise NotFound("The catalogue does not show this product any more.")
    plan = plan_candidates(factory, page, chosen, models_of(factory, chosen), again=True)
    remember(factory, found, page[0].photo_sha256, recipe, overrides, by)
    return plan.build[0]


def use_upload(factory: Factory, asset_id: str, data: bytes, by: str) -> None:
    """Build the product from a photo that a person sent. Raises :class:`core.errors.InputError` for one that cannot be
    used."""
    read_photo(data, PhotoLimits())
    _add(factory, asset_id, data, by)


def use_mask(factory: Factory, asset_id: str, mask_png: bytes, by: str) -> None:
    """Build the product from its photo, cut out as a person painted it: white is kept. ``mask_png``: any size, the
    photo's shape. The cut photo is a photo of its own, so the stages' keys know it. Raises
    :class:`core.errors.InputError`."""
    from PIL import Image

    found = job(factory.engine, asset_id)
    rgba = photo_of(factory, asset_id)
    try:
        painted = Image.open(io.BytesIO(mask_png), formats=["PNG"])
        if painted.width * painted.height > 4096 * 4096:
            raise UnreadablePhoto("The mask is too large.")
        mask = painted.convert("L").resize(rgba.size, Image.Resampling.BILINEAR)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadablePhoto("The painted mask cannot be read.") from error
    rgba.putalpha(mask)
    out = io.BytesIO()
    rgba.save(out, "PNG")
    read_photo(out.getvalue(), PhotoLimits())
    _add(factory, asset_id, out.getvalue(), by, like=found.candidate.photo_id)


def mask_of(factory: Factory, asset_id: str) -> Image.Image:
    """What the cutout keeps of the photo that :func:`photo_of` shows, grey values; nothing where there is no cutout."""
    from PIL import Image

    from core.artifacts import Cutout
    from core.segment.framing import unframe_alpha

    width, height = photo_of(factory, asset_id).size
    stored = artifact(factory.engine, asset_id, "cutout")
    if stored is None:
        return Image.new("L", (width, height), 0)
    cutout = Cutout.from_bytes(load(factory, stored))
    return Image.fromarray(unframe_alpha(cutout.rgba[..., 3], cutout.source_box, width, height))


def thumbnail_of(factory: Factory, photo: ShotRow) -> bytes:
    """One of a product's photos, small, PNG."""
    from PIL import Image

    source = read_source(factory, photo.uri, photo.sha256)
    stored = store_photo(factory, source.source, photo.sha256, source.bytes)
    image = Image.fromarray(read_photo(load(factory, stored), PhotoLimits()).rgba)
    image.thumbnail((200, 200))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def photo_of(factory: Factory, asset_id: str) -> Image.Image:
    """The asset's photo, upright and of working size, RGB."""
    from PIL import Image

    candidate = job(factory.engine, asset_id).candidate
    source = read_source(factory, candidate.photo_uri, candidate.photo_sha256)
    stored = store_photo(factory, source.source, candidate.photo_sha256, source.bytes)
    return Image.fromarray(read_photo(load(factory, stored), PhotoLimits()).rgba[..., :3])


def _add(factory: Factory, asset_id: str, data: bytes, by: str, like: int | None = None) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    stored = store_photo(factory, data, sha256, len(data))
    product_id = mends.product_of(factory.engine, asset_id)
    mends.add_photo(factory.engine, product_id, sha256, len(data), factory.store.uri(stored.key), by, like=like)
