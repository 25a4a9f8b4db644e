"""An evaluation as one markdown table and one picture: what Prefect shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.render.sheet import rows_of_pictures
from evaluation.records import Control, EvaluationDocument, Figures, Means
from evaluation.values import Shown

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


def markdown_table(document: EvaluationDocument) -> str:
    """Means, controls, segmentation and the gate of an evaluation's document."""
    mean = document.mean
    name = "" if document.recipe is None else document.recipe.name
    lines = [
        f"| {name} on {len(document.objects)} objects | " + " | ".join(c[0] for c in COLUMNS) + " |",
        "| --- |" + " ---: |" * len(COLUMNS),
        _row("**synthesized views; shape**", {**(mean.novel_view or {}), **(mean.shape or {})}),
        _row("the asset's own renders", mean.asset_view),
        _row("shape, aligned by yaw and ICP", mean.shape_aligned),
        _row("shape, visible surface", mean.shape_visible),
        *_mask_rows(document.by_masks),
        *(_row(f"control: {name.replace('_', ' ')}", figures) for name, figures in document.controls.items()),
    ]
    asset, gate = mean.asset or {}, document.gate
    facts = [f"{document.failed} of {len(document.objects)} objects with errors, {document.seconds:.0f} s"]
    facts += [f"segmentation on {kind}: IoU {value:.3f}" for kind, value in (mean.segmentation or {}).items() if value]
    facts += [f"{name} {asset[name]:,.3g}" for name in ("faces", "bytes", "seconds", "valid", "score") if name in asset]
    facts += [f"gate against true quality: rank correlation {gate['rank_correlation']:.2f}"] if gate else []
    return "\n".join([*lines, "", "; ".join(facts) + "."])


def _mask_rows(by_masks: Mapping[str, Means]) -> list[str]:
    """What the segmentation model's cutouts give, beside the exact ones'."""
    rows = []
    for mask, mean in by_masks.items():
        if mask != "exact":
            rows.append(_row(f"{mask} mask", {**(mean.novel_view or {}), **(mean.shape or {})}))
            rows.append(_row(f"{mask} mask, the asset's own renders", mean.asset_view))
    return rows


def _row(name: str, figures: Figures | Control | None) -> str:
    cells = [(figures or {}).get(key) for _, key, _ in COLUMNS]
    shown = ["" if value is None else format(value, form) for value, (_, _, form) in zip(cells, COLUMNS, strict=True)]
    return f"| {name} | " + " | ".join(shown) + " |"


def contact_sheet(pictures: Mapping[str, Shown]) -> Image.Image:
    """A row an object: the photo, three true views and the asset from the same cameras, the asset from four sides."""
    rows = []
    for shown in pictures.values():
        pairs = [picture for pair in zip(shown.truth[:3], shown.seen[:3], strict=False) for picture in pair]
        rows.append([*([] if shown.photo is None else [shown.photo]), *pairs, *shown.asset])
    return rows_of_pictures(rows, CELL)
