"""The pages, from plain rows to HTML. Every value is escaped by the template engine; nothing here trusts a name."""

from __future__ import annotations

import io
import json
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.quality.reasons import in_language, text_of
from db.tables import STATUSES
from gallery.presets import presets_of

STATIC = Path(__file__).parent / "static"

PICTURES = (
    ("photo", "Photo"),
    ("cutout.png", "Cutout"),
    ("views.png", "Synthesized views"),
    ("hero.png", "Asset"),
    ("contact.png", "Photo, views, renders"),
    ("turntable.webp", "Turntable"),
)
"""Kinds of artifacts that the asset page shows, and what they are."""

DOWNLOADS = (
    ("glb", "GLB", ".glb"),
    ("small.glb", "small GLB", ".small.glb"),
    ("lod1.glb", "GLB, lighter", ".lod1.glb"),
    ("lod2.glb", "GLB, lightest", ".lod2.glb"),
    ("model.usdz", "USDZ for iPhones", ".usdz"),
    ("report", "finishing report", ".report.json"),
    ("assessment", "assessment", ".assessment.json"),
)
"""Kinds that can be downloaded, how they are called, and the file name's end."""

DECIDABLE = ("finished", "review", "failed")
"""Statuses of assets that are built: what a person can decide about."""

SIDES = (("front", "f", 0), ("side", "s", 1), ("back", "b", 2), ("top", "t", None))
"""Sides of the strip: name, key, and the tile of ``contact.png``'s lower row that shows it, None where none does."""

PIECES = ("separate_pieces", "extra_pieces")
"""Codes of reasons that the viewer marks piece by piece."""

UNSEEN = ("invented_surface", "hidden_surface")
"""Codes of reasons whose place the viewer colours."""

NOTES = ("Wrong shape", "Part is missing", "Back is wrong", "Colours are off", "Blurred", "Background left on it")
"""What reviewers write most, at a click."""

DONE = {"approve": "approved", "reject": "rejected", "better-photo": "sent back for a better photo"}
"""A decision, said of what it was taken about."""

STATUS_WORDS = {
    "queued": "waiting",
    "running": "being built",
    "finished": "finished",
    "review": "to review",
    "failed": "failed",
    "quarantined": "photo refused",
    "superseded": "replaced",
}
"""Statuses as people read them."""

STAGE_WORDS = {
    "segment": "cutting out the product",
    "align": "placing the photos together",
    "views": "imagining the other sides",
    "reconstruct": "building the shape",
    "mesh": "making the surface",
    "finish": "painting and packing the files",
    "assess": "checking the result",
}
"""Stages as people read them."""

SHORT = 120
"""Characters of a SKU or name that are shown; the whole is in the title."""


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = lambda text: text if len(text) <= SHORT else text[: SHORT - 1] + "…"
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    environment.filters["size"] = size
    environment.filters["plain"] = plain
    environment.globals["statuses"] = STATUSES
    environment.globals["words"] = STATUS_WORDS
    environment.globals["done"] = DONE
    return environment


def plain(code: str, language: str = "en") -> str:
    """What a reason's code says: its message, or the code as words where that has none of its own (``no object``)."""
    with suppress(KeyError):
        message, _ = text_of(code, language)
        if "{" not in message:
            return message.rstrip(".")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code).replace("_", " ").lower()


def size(count: int | None) -> str:
    """Bytes for people."""
    if count is None:
        return ""
    return f"{count / 1024:.0f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"


def grid_page(rows: list[dict[str, Any]], **more: Any) -> str:
    """The grid. ``more``: language (of reasons), total, counts, catalogues, reasons (codes and counts), said (last
    decisions), did (those that can be undone), asked, pages, link (page number to URL), review (None, or secret and
    ask_token), static (bool)."""
    rows = [in_language(row, more["language"]) for row in rows]
    return _templates().get_template("grid.html").render(rows=rows, **more)


def asset_page(asset: dict[str, Any], **more: Any) -> str:
    """One asset. ``more``: language (of reasons), files, versions, said (decisions and comments), did, asked, waiting
    (the next asset's id of the list), left (how many the list holds), camera (None, or the photo's), review (None, or
    secret and ask_token), static, root (path to static)."""
    shown = [(kind, title) for kind, title in PICTURES if kind in more["files"]]
    downloads = [(kind, title, end) for kind, title, end in DOWNLOADS if kind in more["files"]]
    return (
        _templates()
        .get_template("asset.html")
        .render(
            asset=asset,
            pictures=shown,
            downloads=downloads,
            reasons=in_language({"reasons": _reasons(asset), "reason": None}, more["language"])["reasons"],
            decidable=asset["status"] in DECIDABLE,
            sides=SIDES if "glb" in more["files"] else (),
            notes=NOTES,
            PIECES=PIECES,
            UNSEEN=UNSEEN,
            presets=presets_of(asset),
            thresholds=asset["parameters"].get("quality", {}),
            **more,
        )
    )


def nights_page(nights: list[Any], **more: Any) -> str:
    """What runs now and what ran. ``more``: at_work, failing (by run)."""
    live = any(night.ended is None for night in nights)
    return (
        _templates()
        .get_template("nights.html")
        .render(nights=nights, live=live, stages=STAGE_WORDS, root="/static/", **more)
    )


def shrunk(photo: bytes, side: int = 320) -> bytes:
    """A photo for the list, PNG. Raises :class:`core.errors.InputError` for one that cannot be read."""
    from PIL import Image

    from core.photos import PhotoLimits, read_photo

    # Whatever it was refused for, one wants to see it; only what is dear to decode stays away.
    limits = PhotoLimits(max_pixels=40_000_000, max_pixels_heavy=24_000_000, min_side=1, widest_aspect=1e6,
                         working_pixels=512 * 512)  # fmt: skip
    image = Image.fromarray(read_photo(photo, limits, judged=False).rgba)
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def refused_page(done: int, refused: list[tuple[str, str]], back: str) -> str:
    """What of several decisions could not be taken."""
    return _templates().get_template("refused.html").render(done=done, refused=refused, back=back, root="/static/")


def compare_page(sides: list[dict[str, Any]], **more: Any) -> str:
    """Two versions side by side: ``sides`` hold ``asset`` and ``files``."""
    one, other = (side["asset"] for side in sides)
    settings, figures = (differences(one[part] or {}, other[part] or {}) for part in ("parameters", "metrics"))
    return _templates().get_template("compare.html").render(sides=sides, settings=settings, figures=figures, **more)


def differences(first: Any, second: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Leaves of two JSON trees that are not equal: ``(path, one, other)``, None where one side has none."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = sorted({*first, *second})
        return [d for n in names for d in differences(first.get(n), second.get(n), f"{path}.{n}" if path else n)]
    return [] if first == second else [(path, first, second)]


def message_page(title: str, sentence: str) -> str:
    """A page with one sentence."""
    return _templates().get_template("message.html").render(title=title, sentence=sentence)


def embed_page(name: str, files: dict[str, str], code: str) -> str:
    """The page for other sites' frames: the product's name, its published files' addresses by kind, a QR code's SVG."""
    return _templates().get_template("embed.html").render(name=name, files=files, code=Markup(code))  # noqa: S704


def evaluation_page(document: dict[str, Any], objects: list[dict[str, Any]], css: str) -> str:
    """The report of an evaluation, one file with its pictures inside."""
    return _templates().get_template("evaluation.html").render(document=document, objects=objects, css=Markup(css))  # noqa: S704 - our own file


def _reasons(asset: dict[str, Any]) -> list[dict[str, Any]]:
    """The asset's reasons; of one that is built again, the gate's from the assess stage; else its own sentence."""
    if asset.get("reasons"):
        return [_BARE | item for item in asset["reasons"]]
    for stage in asset.get("stages", []):
        if stage["stage"] == "assess" and stage.get("figures"):
            found = stage["figures"].get("reasons", [])
            # assets of the first releases have bare sentences
            return [_BARE | (item if isinstance(item, dict) else {"message": str(item)}) for item in found]
    return [_BARE | {"message": asset["reason"]}] if asset.get("reason") else []


_BARE: dict[str, Any] = {"severity": "affects", "action": "", "detail": None, "place": None, "code": ""}
