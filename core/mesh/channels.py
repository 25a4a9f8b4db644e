"""Channels that take finished models: which profile each asks for, its table's columns, a file made to fit."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.errors import BudgetExceeded, InputError
from core.mesh.budgets import Profile, find_profile
from core.mesh.gltf import read_glb, unpack_glb, write_glb
from core.mesh.verify import verify_glb


@dataclass(frozen=True)
class Parcel:
    """A product as a channel's table names it. Places are addresses, or paths below the delivered folder."""

    sku: str
    name: str
    catalogue: str
    alt: str
    glb: str
    usdz: str
    poster: str
    size_cm: tuple[float, float, float] | None
    """Width, height, depth; None where nobody said how large it is."""
    licence: str
    sha256: str
    """Of the GLB."""


Row = dict[str, str]


def _plain(parcel: Parcel) -> Row:
    return {
        "sku": parcel.sku,
        "name": parcel.name,
        "catalogue": parcel.catalogue,
        "glb": parcel.glb,
        "usdz": parcel.usdz,
        "poster": parcel.poster,
        "alt_text": parcel.alt,
        **_sides(parcel, "{}_cm", "{:g}"),
        "licence": parcel.licence,
        "sha256": parcel.sha256,
    }


def _shopify(parcel: Parcel) -> Row:
    """The fields of Shopify's ``CreateMediaInput``: its product CSV takes no 3D models, its API does."""
    return {
        "sku": parcel.sku,
        "title": parcel.name,
        "mediaContentType": "MODEL_3D",
        "originalSource": parcel.glb,
        "alt": parcel.alt,
        "previewImage": parcel.poster,
    }


def _google(parcel: Parcel) -> Row:
    """Attributes of a Merchant Center feed; the model's is ``virtual_model_link``."""
    return {
        "id": parcel.sku,
        "title": parcel.name,
        "virtual_model_link": parcel.glb,
        **{name.replace("depth", "length"): side for name, side in _sides(parcel, "product_{}", "{:g} cm").items()},
    }


def _amazon(parcel: Parcel) -> Row:
    """Models are uploaded by hand in Seller Central, one a SKU: which file, and how large the product is."""
    return {"sku": parcel.sku, "title": parcel.name, "file": parcel.glb, **_sides(parcel, "item_{}_cm", "{:g}")}


def _sides(parcel: Parcel, name: str, value: str) -> Row:
    given = parcel.size_cm or (None, None, None)
    sides = zip(("width", "height", "depth"), given, strict=True)
    return {name.format(side): "" if length is None else value.format(round(length, 1)) for side, length in sides}


@dataclass(frozen=True)
class Channel:
    """Who takes the models."""

    profile: str
    row: Callable[[Parcel], Row]
    wants_links: bool = False
    """Whether its table is of no use without addresses on the web."""


CHANNELS: dict[str, Channel] = {
    "plain": Channel("khronos-mobile-ar", _plain),
    "shopify": Channel("shopify", _shopify),
    "google": Channel("google-merchant", _google, wants_links=True),
    "amazon": Channel("amazon", _amazon),
}


def find_channel(name: str) -> Channel:
    """Raises :class:`InputError` with the names that exist."""
    if name not in CHANNELS:
        raise InputError(f"There is no channel '{name}': it is one of {', '.join(CHANNELS)}.")
    return CHANNELS[name]


@dataclass(frozen=True)
class Fitted:
    """A GLB within a profile's budgets."""

    data: bytes
    changes: tuple[str, ...]
    """What was done to it, a sentence each; none: it is the published file itself."""


def fit_glb(levels: Sequence[bytes], profile: str) -> Fitted:
    """The first of ``levels`` (the full model first) that meets the profile; where none does, one whose texture is
    made to. Raises :class:`BudgetExceeded` with what is still wrong, :class:`core.errors.InvalidRecipe`."""
    budget = find_profile(profile)
    for number, data in enumerate(levels):
        if verify_glb(data, profile).passed:
            return Fitted(data, (f"The lighter level {number} is taken.",) if number else ())
    for number, data in enumerate(levels):
        wrong = {check.name for check in verify_glb(data, profile).failures}
        if not wrong <= {"bytes", "texture"}:
            continue
        for edge, quality in _attempts(data, budget):
            fitted = _textured(data, edge, quality)
            if verify_glb(fitted, profile).passed:
                said = [f"The lighter level {number} is taken."] if number else []
                return Fitted(fitted, (*said, f"The texture is written at {edge} texels, JPEG quality {quality}."))
    failures = verify_glb(levels[0], profile).failures
    wrong_ones = "; ".join(f"{check.name} is {check.found}, wanted {check.wanted}" for check in failures)
    raise BudgetExceeded(f"The file cannot meet the profile {profile}: {wrong_ones}.")


def _attempts(data: bytes, budget: Profile) -> list[tuple[int, int]]:
    """Sides of the texture and JPEG qualities to try, the best first."""
    texels = read_glb(data).texels()
    if texels is None:
        return []
    edge = max(min(max(texels.shape[:2]), budget.max_texture or 1 << 20), budget.min_texture or 1)
    edges = [edge >> i for i in range(4) if edge >> i >= max(256, budget.min_texture or 0)]
    return [(size, quality) for size in edges for quality in (90, 80, 70)]


def _textured(data: bytes, edge: int, quality: int) -> bytes:
    """The same GLB with its texture's longer side at ``edge`` texels."""
    from PIL import Image

    model, (document, _) = read_glb(data), unpack_glb(data)
    texels = model.texels()
    assert texels is not None
    picture = Image.fromarray(texels)
    scale = edge / max(picture.size)
    if scale != 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True)
    asset, name = document["asset"], document["nodes"][0].get("name", "")
    lighter = replace(model, texture=file.getvalue(), texture_type="image/jpeg")
    return write_glb(lighter, name, asset.get("copyright", ""), asset.get("extras"))
