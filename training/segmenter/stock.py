"""What the segmenter's training photos are made of: batches of products, flat shapes and surfaces, kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.segment.framing import bounding_box
from core.whole_file import whole_file
from training.segmenter.products import HELD_OUT_SEEDS, flat_product, render_products, wire_product
from training.segmenter.textures import Image, make_texture

OBJECTS, VIEWS, PICTURE = 16, 3, 288
"""Objects of a batch, views of each, side of a view in pixels."""

FLATS, WIRES, TEXTURES = 5, 6, 3
"""Flat shapes, wire shapes and surfaces of a batch."""

FEW, MANY, STEPS = 8, 40, 40
"""Batches before the first step, batches in use at most (the newest), and steps from one batch to the next."""


class Stock:
    """Products and surfaces that composites draw from. A batch follows from the seed and its number, and what a step
    may draw from its number: an interrupted training goes on with the batches that it would have had.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.products: list[NDArray[np.uint8]] = []
        """``(h, w, 4)``, cropped to what is seen."""
        self.textures: list[Image] = []
        self.batches = 0
        self._sizes: list[int] = []

    def grow(self, step: int, few: int = FEW) -> None:
        """Bring in the batches that a step may draw from."""
        wanted = few + step // STEPS
        self.batches = max(self.batches, wanted - MANY)  # a resumed training makes no batches that are out of use
        while self.batches < wanted:
            self._add(self.batches)
            self.batches += 1

    def _add(self, batch: int) -> None:
        path = self.folder / f"products-{batch:04}.npz"
        if not path.is_file():
            first = self.seed * 1_000_000 % HELD_OUT_SEEDS[0] + batch * OBJECTS
            views = render_products(list(range(first, first + OBJECTS)), VIEWS, PICTURE, first)
            with whole_file(path) as partial:
                np.savez_compressed(partial, np.stack(views))
        with np.load(path) as saved:
            rendered = saved["arr_0"]
        rng = np.random.default_rng([self.seed, 2, batch])
        textures = [make_texture(rng) for _ in range(TEXTURES)]
        flats = [flat_product(rng, textures[i % TEXTURES], 192) for i in range(FLATS)]
        wires = [wire_product(rng, textures[i % TEXTURES]) for i in range(WIRES)]
        fresh = [cropped(picture) for picture in [*rendered, *flats, *wires] if (picture[..., 3] > 127).any()]
        self._sizes.append(len(fresh))
        self.products += fresh
        self.textures += [texture.astype(np.float16) for texture in textures]
        if len(self._sizes) > MANY:
            del self.products[: self._sizes.pop(0)]
            del self.textures[:TEXTURES]


def cropped(product: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The product ``(H, W, 4)`` without the empty margin around it."""
    left, top, right, bottom = bounding_box(product[..., 3] > 127)
    return product[top:bottom, left:right].copy()
