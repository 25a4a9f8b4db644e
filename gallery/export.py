"""The gallery as files: opens from a disk, needs no server."""

from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from core.errors import ObjectDamaged, ObjectMissing
from core.records import to_json
from db import gallery as queries
from db.lineage import lineage
from db.reviews import said_of
from gallery import pages
from gallery.asked import Asked
from gallery.cameras import photo_camera
from storage import Store, read_bytes

PAGE = 500


def export(engine: Engine, store: Store, out: Path, filters: queries.Filters, language: str = "en") -> int:
    """Write ``out/index.html`` and a folder an asset; how many assets. Folders are named by hash, never by SKU.

    A page opened from a disk may not fetch files, so each model also stands in a script as a data URL.
    """
    (out / "static").mkdir(parents=True, exist_ok=True)
    for name in ("gallery.css", "gallery.js", "model-viewer.min.js", "model-viewer.LICENSE.txt"):
        shutil.copyfile(pages.STATIC / name, out / "static" / name)
    rows: list[dict[str, Any]] = []
    number = 1
    while True:
        page, _ = queries.page(engine, filters, number, PAGE)
        rows += [_export_asset(engine, store, out, row, language) for row in page]
        if len(page) < PAGE:
            break
        number += 1
    html = pages.grid_page(
        rows,
        language=language,
        total=len(rows),
        counts=queries.counts(engine),
        catalogues=sorted({row["catalogue"] for row in rows}),
        asked=Asked(),
        orders=(),
        pages=1,
        link=str,
        review=None,
        static=True,
        root="static/",
    )
    (out / "index.html").write_text(html, "utf-8")
    return len(rows)


def _export_asset(engine: Engine, store: Store, out: Path, row: queries.GridRow, language: str) -> dict[str, Any]:
    name = hashlib.sha256(row.asset_id.encode()).hexdigest()[:20]
    folder = out / "assets" / name
    folder.mkdir(parents=True, exist_ok=True)
    known = [kind for kind, _ in pages.PICTURES] + [kind for kind, _, _ in pages.DOWNLOADS]
    found = queries.files(engine, row.asset_id)
    files: dict[str, dict[str, Any]] = {}
    for kind in known:
        if kind not in found:
            continue
        try:
            data = read_bytes(store, found[kind].key, found[kind].sha256)
        except (ObjectMissing, ObjectDamaged):
            continue
        target = _file_name(kind, found[kind].media_type)
        (folder / target).write_bytes(data)
        files[kind] = to_json(found[kind]) | {"href": target, "download": target}
        if kind == "glb":
            url = "data:model/gltf-binary;base64," + base64.b64encode(data).decode()
            (folder / "model.js").write_text(f'window.MESHMILL_MODEL = "{url}";\n', "ascii")
    asset = to_json(lineage(engine, row.asset_id))
    html = pages.asset_page(
        asset,
        language=language,
        files=files,
        versions=[],
        waiting=None,
        said=said_of(engine, row.asset_id),
        did=[],
        asked=Asked(),
        left=0,
        mend=None,
        camera=photo_camera(asset, store, found.get("report")),
        review=None,
        static=True,
        root="../../static/",
    )
    (folder / "index.html").write_text(html, "utf-8")
    hero = next((kind for kind in ("hero.png", "cutout.png") if kind in files), None)
    return vars(row) | {"asset_id": name, "thumbnail": f"assets/{name}/{hero}" if hero else None}


def _file_name(kind: str, media_type: str) -> str:
    """A fixed name for a kind, which is one of ours, with the end that a desktop needs."""
    ends = {"glb": "model.glb", "report": "report.json", "assessment": "assessment.json"}
    images = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
    return ends.get(kind, kind if "." in kind else kind + images.get(media_type, ".bin"))
