"""The evaluation's table and contact sheet for Prefect."""

from __future__ import annotations

import numpy as np

from evaluation.records import EvaluationDocument
from evaluation.report import CELL, contact_sheet, markdown_table
from evaluation.values import Shown

DOCUMENT = {
    "recipe": {"name": "starter", "hash": "h", "parameters": {}},
    "protocol": {},
    "objects": [{"id": "a"}, {"id": "b"}],
    "mean": {
        "novel_view": {"psnr": 12.345, "ssim": 0.5, "mask_iou": 0.6, "lpips": None},
        "shape": {"iou": 0.5, "chamfer": 0.05, "fscore_1": 0.1, "fscore_2": 0.2},
        "asset_view": None,
        "asset": {"faces": 20000.0, "valid": 1.0},
        "segmentation": {"white": 0.9, "textured": None},
    },
    "controls": {"copy_input": {"psnr": 11.0}},
    "gate": {"rank_correlation": 0.71},
    "failed": 1,
    "seconds": 60.0,
}


def test_the_table_has_means_controls_and_the_gate() -> None:
    lines = markdown_table(EvaluationDocument.model_validate(DOCUMENT)).splitlines()
    assert "| **synthesized views; shape** | 12.35 | 0.500 | 0.600 |  | 0.500 | 0.0500 | 0.100 | 0.200 |" in lines
    assert "| control: copy input | 11.00 |  |  |  |  |  |  |  |" in lines
    assert {line.count("|") for line in lines if line.startswith("|")} == {10}
    assert "1 of 2 objects with errors" in lines[-1]
    assert "rank correlation 0.71" in lines[-1]
    assert "textured" not in lines[-1]


def test_the_contact_sheet_has_a_row_an_object() -> None:
    red = np.full((64, 64, 3), [200, 0, 0], np.uint8)
    shown = Shown(red, truth=[red] * 5, seen=[red] * 5, asset=[red] * 4)
    sheet = contact_sheet({"a": shown, "b": Shown(red)})
    assert sheet.size == (11 * CELL, 2 * CELL)
    assert sheet.getpixel((CELL + 5, 5)) == (200, 0, 0)
    assert sheet.getpixel((CELL + 5, CELL + 5)) == (255, 255, 255)
