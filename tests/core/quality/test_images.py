"""Picture metrics against closed forms, an independent formula and the published control figures."""

from __future__ import annotations

import json
from math import inf, log10
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import CheckpointError
from core.quality.images import mask_from_white, mask_iou, object_box, over_white, psnr
from evaluation.pictures import Lpips, ssim


def noise(seed: int, size: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_equal_pictures_are_perfect():
    picture = noise(0)
    assert psnr(picture, picture) == inf
    assert ssim(picture, picture) == pytest.approx(1.0)


@pytest.mark.parametrize("step", [1, 10, 51])
def test_psnr_of_a_constant_error_is_the_closed_form(step: int):
    truth = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(truth + np.uint8(step), truth) == pytest.approx(20 * log10(255 / step))


def test_psnr_on_the_box_ignores_the_background():
    truth = np.full((40, 40, 3), 255, np.uint8)
    picture = truth.copy()
    picture[10:30, 10:30] = 0
    assert psnr(picture, truth, (10, 10, 30, 30)) == pytest.approx(0.0)
    assert psnr(picture, truth) == pytest.approx(10 * log10(4))


def test_ssim_of_flat_pictures_is_the_luminance_term():
    a, b = np.full((30, 30, 3), 200, np.uint8), np.full((30, 30, 3), 100, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 200 * 100 + c1) / (200**2 + 100**2 + c1))


def test_ssim_falls_with_noise():
    truth = np.full((64, 64, 3), 128, np.uint8)
    rng = np.random.default_rng(3)
    values = [ssim(np.clip(truth + rng.normal(0, s, truth.shape), 0, 255).astype(np.uint8), truth) for s in (2, 10, 40)]
    assert values[0] > values[1] > values[2]


def test_mask_iou_of_shifted_squares():
    a, b = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    a[0:4, 0:4] = True
    b[0:4, 2:6] = True
    assert mask_iou(a, b) == pytest.approx(8 / 24)
    assert mask_iou(np.zeros_like(a), np.zeros_like(a)) == 1.0
    assert mask_iou(a, np.zeros_like(a)) == 0.0


def test_box_is_exclusive_and_never_smaller_than_the_window():
    mask = np.zeros((60, 50), bool)
    mask[5:45, 10:30] = True
    assert object_box(mask) == (10, 5, 30, 45)
    mask[:] = False
    mask[0, 49] = True
    left, top, right, bottom = object_box(mask)
    assert right - left == bottom - top == 11
    assert min(left, top) >= 0
    assert (right, bottom) <= (50, 60)
    assert mask[top:bottom, left:right].any()
    assert object_box(np.zeros((60, 50), bool)) == (0, 0, 50, 60)


def test_over_white_composites_straight_alpha():
    rgba = np.array([[[100, 0, 50, 255], [100, 0, 50, 0], [0, 0, 0, 51]]], np.uint8)
    assert over_white(rgba).tolist() == [[[100, 0, 50], [255, 255, 255], [204, 204, 204]]]


def test_mask_from_white_fills_holes_and_drops_specks():
    picture = np.full((40, 40, 3), 255, np.uint8)
    picture[10:30, 10:30] = 90
    picture[18:22, 18:22] = 255
    picture[2, 2] = 0
    expected = np.zeros((40, 40), bool)
    expected[10:30, 10:30] = True
    assert mask_iou(mask_from_white(picture), expected) > 0.98


def test_missing_lpips_weights_are_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"nowhere\.npz"):
        Lpips(tmp_path / "nowhere.npz")
    np.savez(tmp_path / "empty.npz", x=np.zeros(1))
    with pytest.raises(CheckpointError, match="conv0_w"):
        Lpips(tmp_path / "empty.npz")


@pytest.mark.shared
def test_lpips_is_zero_for_equal_symmetric_and_grows(shared_dir: Path):
    distance = Lpips(shared_dir / "weights" / "lpips_alex.npz")
    a, b = noise(1, 96), np.full((96, 96, 3), 255, np.uint8)
    mixed = ((a.astype(int) + b) // 2).astype(np.uint8)
    assert distance(a, a) == 0.0
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-5)
    assert 0 < distance(mixed, a) < distance(b, a)


@pytest.mark.shared
def test_repeating_the_photo_scores_what_the_control_is_known_to_score(shared_dir: Path):
    """17.2 dB / .842 / .217 over white, whole picture, photo downscaled to 256², views 01..11 of all objects."""
    distance = Lpips(shared_dir / "weights" / "lpips_alex.npz")
    rows = []
    for entry in json.loads((shared_dir / "eval-dev" / "manifest.json").read_text())["objects"]:
        folder = shared_dir / "eval-dev" / entry["id"]
        photo = over_white(np.array(Image.open(folder / "photo_rgba.png")))
        photo = np.array(Image.fromarray(photo).resize((256, 256), Image.Resampling.LANCZOS))
        for index in range(1, 12):
            truth = over_white(np.array(Image.open(folder / "views" / f"{index:02d}.png")))
            rows.append([psnr(photo, truth), ssim(photo, truth), distance(photo, truth)])
    assert np.mean(rows, 0) == pytest.approx([17.2, 0.842, 0.217], abs=0.05)
    assert np.mean(rows, 0)[1:] == pytest.approx([0.842, 0.217], abs=0.001)
