"""Shots: what a photo's file name says of the side it shows. No file is opened here.

Azimuth and elevation are the camera's, in degrees: 0 is the product's front, a positive azimuth moves the camera to
the right, a positive elevation up. Conventions: Amazon (``ASIN.FRNT``), GS1 (``GTIN_A1C1``, Product Image
Specification 4.4), words, running numbers and letters, frames of a turntable.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from core.photos.files import PHOTO_EXTENSIONS, REFUSED_EXTENSIONS
from core.photos.shot import VIEWERS_SIDES, Role, Shot, Sides, posed
from core.photos.shot_tails import tails
from core.photos.shot_words import RENDITIONS, THUMBNAILS, WORDS, folded


def parse_shot(name: str, *, sku: str | None = None, sides: Sides = VIEWERS_SIDES) -> Shot:
    """The likeliest reading of one name alone. ``sku``: the product is known, by its folder or a manifest's row.

    A number or a letter at the end counts as a running one only with ``sku``: alone, a SKU's own digits look alike.
    """
    found = readings(name, sku=sku, sides=sides)
    wanted = ("amazon", "gs1", "words", "frame") + (("number", "letter") if sku is not None else ())
    return next((shot for kind in wanted for shot in found if shot.said == kind), found[0])


def readings(name: str, *, sku: str | None = None, sides: Sides = VIEWERS_SIDES) -> list[Shot]:
    """Every way to read a name: first as no shot at all, then with more and more of its end taken for codes."""
    plain, copy = _without_copy_marks(base_name(name))
    if sku is not None:
        plain = _without_sku(plain, sku)
    whole = Shot(name, _RENDITION_BEHIND.sub("", plain) or plain, plain, copy=copy)
    special = _gs1(whole, sides) or _amazon(whole, sides)
    if special:
        return [whole, special]
    return [whole, *tails(whole, sides)]


def base_name(name: str) -> str:
    """The last part of a path without a picture's ending, in composed Unicode."""
    last = unicodedata.normalize("NFC", name.rstrip("/").rpartition("/")[2])
    head, dot, ending = last.rpartition(".")
    return head if dot and head and f".{ending.lower()}" in PHOTO_EXTENSIONS | REFUSED_EXTENSIONS else last


_COPY_BEFORE = re.compile(r"^(?:copy of|kopie von|copie de|copia de|copia di|kopie van)[\s_-]+", re.IGNORECASE)
_COPY_BEHIND = re.compile(r"(?:\s+-\s+|[\s_-]+)(?:copy|kopie|copie|copia)(?:[\s_-]*\(?\d{1,3}\)?)?$", re.IGNORECASE)
_SIZE_BEHIND = re.compile(r"(?:[-_]\d{2,4}x\d{2,4}|@[23]x|[-_]scaled)$", re.IGNORECASE)
_THUMBNAIL_BEHIND = re.compile(
    rf"(?:[\s_.-]+(?i:{'|'.join(sorted(THUMBNAILS))})|(?<=[^\W_])(?:Thumb|Thumbs|Thumbnail|Vorschau|Miniatur))$"
)
_RENDITION_BEHIND = re.compile(rf"(?:[\s_.-]+(?:{'|'.join(sorted(RENDITIONS))}))+$", re.IGNORECASE)


def _without_copy_marks(text: str) -> tuple[str, bool]:
    """``Copy of mug``, ``mug - Kopie (2)``, ``mug-300x300`` to ``mug`` and True."""
    plain = text
    for pattern in (_COPY_BEFORE, _COPY_BEHIND, _SIZE_BEHIND, _THUMBNAIL_BEHIND):
        cut = pattern.sub("", plain)
        plain = cut or plain
    return plain.strip(), plain != text


def _without_sku(text: str, sku: str) -> str:
    """What a name says beside the SKU that its folder or row has said already; only codes that follow a delimiter."""
    known = folded(unicodedata.normalize("NFC", sku))
    if folded(text) == known:
        return ""
    if folded(text[: len(sku)]) == known and not text[len(sku)].isdigit():
        return text[len(sku) :].lstrip(" _.-")
    return text


_GS1 = re.compile(
    r"^(?P<stem>.*?(?P<gtin>\d{8,14}))_(?P<type>[A-E])(?P<facing>[0-9])(?P<angle>[CLRN])(?P<state>[01ABCDMP])"
    r"(?:[_-](?:[sf]?(?P<number>\d{1,4})|[a-z]{2}(?:-[a-z]{2})?))*$",
    re.IGNORECASE,
)
_FACINGS = {"1": Role.FRONT, "8": Role.RIGHT, "7": Role.BACK, "2": Role.LEFT, "3": Role.TOP, "9": Role.BOTTOM}


def _gs1(whole: Shot, sides: Sides) -> Shot | None:
    """GS1 Product Image Specification: GTIN, then type, facing, angle and packaging state."""
    match = _GS1.match(whole.stem)
    if match is None:
        return None
    kind, angle, state = (match[part].upper() for part in ("type", "angle", "state"))
    role = {"D": Role.DETAIL, "E": Role.FRAME}.get(kind, _FACINGS.get(match["facing"], Role.UNKNOWN))
    index = int(match["number"]) if match["number"] else None
    shot = replace(
        whole, stem=match["stem"], role=role, index=index, state=state, said="gs1", joint="_", main=kind in "AC"
    )
    shot = posed(shot, sides) if role is not Role.FRAME else shot
    if shot.azimuth is None:
        return shot
    turned = shot.azimuth + {"L": -15.0, "R": 15.0}.get(angle, 0.0)
    return replace(shot, azimuth=turned, elevation=0.0 if angle == "N" else None)


_AMAZON = re.compile(
    r"^(?P<stem>.+)\.(?:(?P<code>MAIN|FRNT|RGHT|BACK|LEFT|SIDE|TOPP|BOTT|SWCH|FACT|INGR|EEGL|DTLS|PAIR)"
    r"|(?P<series>PT|IN|PS)(?P<number>\d{2}))$",
    re.IGNORECASE,
)
_SERIES = {"PT": Role.UNKNOWN, "IN": Role.FACTS, "PS": Role.FACTS}


def _amazon(whole: Shot, sides: Sides) -> Shot | None:
    """Amazon: ``ASIN.CODE``."""
    match = _AMAZON.match(whole.stem)
    if match is None:
        return None
    shot = replace(whole, stem=match["stem"], said="amazon", joint=".")
    if match["series"]:
        return replace(shot, role=_SERIES[match["series"].upper()], index=int(match["number"]))
    word = WORDS[match["code"].lower()]
    role = Role.FRONT if word == "main" else Role(word)
    return posed(replace(shot, role=role, main=word == "main"), sides)
