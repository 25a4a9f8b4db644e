"""The pages, from plain rows to HTML. Every value is escaped by the template engine; nothing here trusts a name."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from db.tables import STATUSES

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
    environment.globals["statuses"] = STATUSES
    return environment


def size(count: int | None) -> str:
    """Bytes for people."""
    if count is None:
        return ""
    return f"{count / 1024:.0f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"


def grid_page(rows: list[dict[str, Any]], **more: Any) -> str:
    """The grid. ``more``: total, counts, catalogues, filters, page, pages, link (page number to URL), static (bool)."""
    return _templates().get_template("grid.html").render(rows=rows, **more)


def asset_page(asset: dict[str, Any], **more: Any) -> str:
    """One asset. ``more``: files, versions, waiting (the next asset's id that waits for a decision), review (None, or
    secret and whether to ask for a token), static, root (path to static)."""
    shown = [(kind, title) for kind, title in PICTURES if kind in more["files"]]
    downloads = [(kind, title, end) for kind, title, end in DOWNLOADS if kind in more["files"]]
    reasons = _reasons(asset)
    return (
        _templates()
        .get_template("asset.html")
        .render(
            asset=asset,
            pictures=shown,
            downloads=downloads,
            reasons=reasons,
            thresholds=asset["parameters"].get("quality", {}),
            **more,
        )
    )


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


_BARE: dict[str, Any] = {"severity": "affects", "action": "", "detail": None}
