"""An evaluation as one markdown table and one picture: what Prefect shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.render.sheet import rows_of_pictures

if TYPE_CHECKING:
    from PIL import Image

CELL = 128
"""Pixels of a picture on the contact sheet."""

COLUMNS = (
    ("PSNR", "psnr", ".2f"),
    ("SSIM", "ssim", ".3f"),
    ("mask IoU", "mask_iou", ".3f"),
    ("LPIPS", "lpips", ".3f"),
    ("IoU", "iou", ".3f"),
    ("Chamfer", "chamfer", ".4f"),
    ("F 1 %", "fscore_1", ".3f"),
    ("F 2 %", "fscore_2", ".3f"),
)


def markdown_table(document: dict[str, Any]) -> str:
    """Means, controls, segmentation and the gate of an evaluation's document."""
    mean = document["mean"]
    lines = [
        f"| {document['recipe']['name']} on {len(document['objects'])} objects | "
        + " | ".join(c[0] for c in COLUMNS)
        + " |",
        "| --- |" + " ---: |" * len(COLUMNS),
        _row("**synthesized views; shape**", (mean.get("novel_view") or {}) | (mean.get("shape") or {})),
        _row("the asset's own renders", mean.get("asset_view")),
        _row("shape, aligned by yaw and ICP", mean.get("shape_aligned")),
        _row("shape, visible surface", mean.get("shape_visible")),
        *_mask_rows(document.get("by_masks", {})),
        *(_row(f"control: {name.replace('_', ' ')}", figures) for name, figures in document["controls"].items()),
    ]
    asset, gate = mean.get("asset") or {}, document.get("gate")
    facts = [f"{document['failed']} of {len(document['objects'])} objects with errors, {document['seconds']:.0f} s"]
    facts += [
        f"segmentation on {kind}: IoU {value:.3f}" for kind, value in (mean.get("segmentation") or {}).items() if value
    ]
    facts += [f"{name} {asset[name]:,.3g}" for name in ("faces", "bytes", "seconds", "valid", "score") if name in asset]
    facts += [f"gate against true quality: rank correlation {gate['rank_correlation']:.2f}"] if gate else []
    return "\n".join([*lines, "", "; ".join(facts) + "."])


def _mask_rows(by_masks: dict[str, Any]) -> list[str]:
    """What the segmentation model's cutouts give, beside the exact ones'."""
    rows = []
    for mask, mean in by_masks.items():
        if mask != "exact":
            rows.append(_row(f"{mask} mask", (mean.get("novel_view") or {}) | (mean.get("shape") or {})))
            rows.append(_row(f"{mask} mask, the asset's own renders", mean.get("asset_view")))
    return rows


def _row(name: str, figures: dict[str, Any] | None) -> str:
    cells = [(figures or {}).get(key) for _, key, _ in COLUMNS]
    shown = ["" if value is None else format(value, form) for value, (_, _, form) in zip(cells, COLUMNS, strict=True)]
    return f"| {name} | " + " | ".join(shown) + " |"


def contact_sheet(pictures: dict[str, dict[str, Any]]) -> Image.Image:
    """A row an object: the photo, three true views and the asset from the same cameras, the asset from four sides."""
    rows = []
    for shown in pictures.values():
        truth, seen = shown.get("truth", []), shown.get("seen", [])
        pairs = [picture for pair in zip(truth[:3], seen[:3], strict=False) for picture in pair]
        rows.append([shown["photo"], *pairs, *shown.get("asset", [])])
    return rows_of_pictures(rows, CELL)
