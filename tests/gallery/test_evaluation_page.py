"""The report of an evaluation: one file with every figure and picture inside, whatever was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gallery.evaluation import write_report

VIEWS = {"psnr": 13.07, "ssim": 0.501, "mask_iou": 0.615, "lpips": None}
SHAPE = {"iou": 0.34, "iou_64": 0.34, "chamfer": 0.0711, "fscore_1": 0.1, "fscore_2": 0.2}
ASSET = {"bytes": 654_321, "faces": 19_652, "seconds": 27.7, "valid": 1.0, "score": 0.31, "true_quality": 0.29}
GREY = np.full((32, 32, 3), 128, np.uint8)


def document(*, shapes: bool) -> dict[str, Any]:
    made = {"shape": SHAPE, "asset": ASSET | {"verdict": "review", "reasons": ["<i>thin</i>."]}}
    row = {"id": "<b>cup</b>", "novel_view": VIEWS, "errors": {}} | (made if shapes else {})
    lost = {"id": "lost", "novel_view": VIEWS, "errors": {"shape": "It became nothing."}}
    parts = dict.fromkeys(("shape", "shape_visible", "shape_aligned", "asset_view", "asset", "segmentation"))
    mean = parts | {"novel_view": VIEWS} | ({"shape": SHAPE, "shape_aligned": SHAPE, "asset": ASSET} if shapes else {})
    return {
        "objects": [row, lost], "mean": mean, "controls": {"copy_input": VIEWS},
        "gate": {"rank_correlation": 0.86, "objects": 12} if shapes else None,
        "protocol": {"seed": 0, "elevation": "known"}, "recipe": {"name": "starter", "hash": "ab" * 32},
        "checkpoint": {"name": "starter", "sha256": "cd" * 32}, "failed": 1, "seconds": 12.0,
    }  # fmt: skip


@pytest.mark.parametrize("shapes", [True, False])
def test_the_report_holds_all_figures_and_pictures_in_one_file(tmp_path: Path, shapes: bool) -> None:
    strips = {"truth": [GREY] * 2, "ours": [GREY] * 2, "names": ["0° 20°", "90° 20°"]}
    pictures = {"<b>cup</b>": {"photo": GREY, "asset": [GREY] * 4, "seen": [GREY] * 2} | strips, "lost": {}}
    write_report(document(shapes=shapes), pictures, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count('src="data:image/webp;base64,') == page.count("<img") == 1 + 4 + 3 * 2
    assert "<b>cup" not in page
    assert "&lt;b&gt;cup&lt;/b&gt;" in page
    assert "It became nothing." in page
    assert "control: copy input" in page
    assert ("<td>639 KiB</td>" in page) == shapes
    assert ("aligned by yaw and ICP" in page) == shapes
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    assert {row.count("<td") + row.count("<th") for row in rows} == {15}
    assert json.loads((tmp_path / "result.json").read_text())["failed"] == 1
