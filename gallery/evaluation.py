"""The report of an evaluation: one HTML file with its pictures inside, and the JSON beside it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gallery import pages


def write_report(document: dict[str, Any], pictures: Mapping[str, Mapping[str, Any]], out: Path) -> None:
    """Write ``out/report.html`` and ``out/result.json``. ``document``: the JSON of an evaluation; ``pictures``: by
    object the fields of :class:`evaluation.values.Shown`."""
    out.mkdir(parents=True, exist_ok=True)
    objects = []
    for row in document["objects"]:
        shown = pictures.get(row["id"], {})
        objects.append(
            {
                "row": row,
                "photo": "" if shown.get("photo") is None else data_url(shown["photo"]),
                "names": shown.get("names", []),
                **{part: [data_url(p) for p in shown.get(part, [])] for part in ("truth", "ours", "asset", "seen")},
            }
        )
    css = (pages.STATIC / "gallery.css").read_text("utf-8")
    (out / "report.html").write_text(pages.evaluation_page(document, objects, css), "utf-8")
    (out / "result.json").write_text(json.dumps(document, indent=1), "utf-8")


def data_url(picture: Any) -> str:
    """A picture ``(H, W, 3)`` as a WebP data URL."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
