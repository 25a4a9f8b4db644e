"""Contact sheets: pictures in rows, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image


def rows_of_pictures(rows: Sequence[Sequence[NDArray[np.uint8]]], cell: int) -> Image.Image:
    """Rows of pictures ``(H, W, 3)``, each in a square of ``cell`` pixels, white where a row is short."""
    from PIL import Image

    sheet = Image.new("RGB", (cell * max(map(len, rows), default=1), cell * max(1, len(rows))), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            small = Image.fromarray(picture).resize((cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(small, (x * cell, y * cell))
    return sheet
