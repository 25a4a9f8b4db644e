"""The segment stage with masks that are known exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.artifacts import Photo
from core.errors import NoObject, PhotoTooSmall, PoorPhoto, SeveralObjects
from core.segment import Segmenter, SegmentParams, segment

Mask = np.ndarray


def photo(rgb: np.ndarray, alpha: np.ndarray | None = None) -> Photo:
    plane = np.full(rgb.shape[:2], 255, np.uint8) if alpha is None else alpha
    return Photo(np.dstack([rgb, plane]), alpha is not None, "PNG")


def boxes(height: int, width: int, *rectangles: tuple[int, int, int, int]) -> np.ndarray:
    """1 inside ``(left, top, right, bottom)``."""
    mask = np.zeros((height, width), np.float32)
    for left, top, right, bottom in rectangles:
        mask[top:bottom, left:right] = 1
    return mask


def oracle(mask: np.ndarray) -> Segmenter:
    """Answers with the given mask, whatever it is shown."""
    answer: Callable[[np.ndarray], np.ndarray] = lambda rgb: mask.astype(np.float32)  # noqa: E731
    return Segmenter("oracle", "0" * 64, None, answer)


def colored(mask: np.ndarray, front: tuple[int, int, int], back: tuple[int, int, int]) -> np.ndarray:
    m = mask[..., None]
    return np.rint(np.array(front) * m + np.array(back) * (1 - m)).astype(np.uint8)


def test_the_product_fills_200_of_256_and_stands_in_the_middle() -> None:
    mask = boxes(700, 900, (100, 200, 400, 280))
    cutout = segment(
        photo(colored(mask, (200, 30, 30), (255, 255, 255)), (mask * 255).astype(np.uint8)),
        SegmentParams(),
        segmenter=oracle(mask),
    )
    rows, columns = (
        np.flatnonzero((cutout.rgba[..., 3] > 127).any(1)),
        np.flatnonzero((cutout.rgba[..., 3] > 127).any(0)),
    )
    assert cutout.rgba.shape == (512, 512, 4)
    assert columns[-1] + 1 - columns[0] == pytest.approx(400, abs=1)
    assert rows[-1] + 1 - rows[0] == pytest.approx(400 * 80 / 300, abs=1.5)
    assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(256, abs=1)
    assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(256, abs=1)
    assert cutout.source_box == pytest.approx((250 - 192, 240 - 192, 250 + 192, 240 + 192))
    assert cutout.method == "alpha"
    assert cutout.confidence == 1


def test_source_box_maps_the_photo_onto_the_frame() -> None:
    """A dot of the photo lands in the frame where ``source_box`` says."""
    mask = boxes(600, 600, (150, 120, 450, 500))
    rgb = colored(mask, (180, 180, 180), (255, 255, 255))
    rgb[300:308, 200:208] = (255, 0, 0)
    cutout = segment(photo(rgb, (mask * 255).astype(np.uint8)), SegmentParams(), segmenter=oracle(mask))
    left, top, right, bottom = cutout.source_box
    red = (cutout.rgba[..., 0].astype(int) - cutout.rgba[..., 1]) > 120
    y, x = np.argwhere(red).mean(0) + 0.5
    assert x == pytest.approx((204 - left) / (right - left) * 512, abs=1)
    assert y == pytest.approx((304 - top) / (bottom - top) * 512, abs=1)


def test_hidden_colour_does_not_bleed_through_a_soft_alpha() -> None:
    ramp = np.clip((150 - np.hypot(*(np.mgrid[:512, :512] - 255.5))) / 20 + 0.5, 0, 1).astype(np.float32)
    rgb = colored((ramp > 0).astype(float), (30, 120, 200), (255, 0, 255))
    cutout = segment(photo(rgb, np.rint(ramp * 255).astype(np.uint8)), SegmentParams(), segmenter=oracle(ramp))
    visible = cutout.rgba[cutout.rgba[..., 3] > 12][:, :3].astype(int)
    assert np.abs(visible - (30, 120, 200)).max() <= 12


def test_edges_lose_the_background_colour() -> None:
    """A soft grey disc on green: the photo's rim is greenish, the cutout's is not."""
    soft = np.clip((170 - np.hypot(*(np.mgrid[:512, :512] - 255.5))) / 8 + 0.5, 0, 1).astype(np.float32)
    rgb = colored(soft, (120, 120, 120), (0, 220, 0))
    cutout = segment(photo(rgb), SegmentParams(refine=False), segmenter=oracle(soft))
    rim = cutout.rgba[(cutout.rgba[..., 3] > 60) & (cutout.rgba[..., 3] < 200)].astype(int)
    greenness = rim[:, 1] - rim[:, 0]
    in_photo = rgb[(soft > 0.24) & (soft < 0.78)].astype(int)
    assert (in_photo[:, 1] - in_photo[:, 0]).mean() > 80
    assert abs(greenness.mean()) < 12


def test_an_opaque_or_distrusted_alpha_asks_the_segmenter() -> None:
    mask = boxes(400, 400, (100, 100, 300, 300))
    rgb = colored(mask, (200, 30, 30), (250, 250, 250))
    assert segment(photo(rgb), SegmentParams(), segmenter=oracle(mask)).method == "oracle"
    wrong = (boxes(400, 400, (0, 0, 200, 400)) * 255).astype(np.uint8)
    cutout = segment(photo(rgb, wrong), SegmentParams(use_alpha=False), segmenter=oracle(mask))
    assert cutout.method == "oracle"
    assert cutout.source_box == pytest.approx((72, 72, 328, 328), abs=1.5)


def test_nothing_found_is_refused_however_the_network_scales() -> None:
    flat = np.full((320, 320, 3), 128, np.uint8)
    for raw in (np.zeros((320, 320)), np.full((320, 320), 0.018), np.full((320, 320), 0.45)):
        with pytest.raises(NoObject):
            segment(photo(flat), SegmentParams(), segmenter=oracle(raw))
    doubtful = 0.6 * boxes(320, 320, (60, 60, 260, 260))  # above one half, yet sure of nothing
    with pytest.raises(NoObject):
        segment(photo(flat), SegmentParams(), segmenter=oracle(doubtful))


def test_two_objects_are_said_and_one_is_taken() -> None:
    mask = boxes(512, 1024, (150, 150, 400, 400), (620, 200, 800, 380))
    rgb = colored(mask, (40, 60, 160), (250, 250, 250))
    cutout = segment(photo(rgb), SegmentParams(refine=False), segmenter=oracle(mask))
    assert any("2 objects" in warning for warning in cutout.warnings)
    left, _, right, _ = cutout.source_box
    assert (left + right) / 2 == pytest.approx(275, abs=2)
    assert (np.asarray(cutout.rgba[..., 3]) > 127).sum() == pytest.approx(400 * 400, rel=0.02)


def test_four_equal_objects_are_too_many() -> None:
    mask = boxes(600, 600, (50, 50, 250, 250), (350, 50, 550, 250), (50, 350, 250, 550), (350, 350, 550, 550))
    with pytest.raises(SeveralObjects, match="4 objects"):
        segment(photo(colored(mask, (9, 9, 9), (250, 250, 250))), SegmentParams(), segmenter=oracle(mask))


def test_a_leg_that_the_mask_interrupts_stays_with_its_chair() -> None:
    mask = boxes(500, 500, (150, 100, 350, 300), (160, 306, 172, 400))
    cutout = segment(
        photo(colored(mask, (90, 50, 20), (250, 250, 250))), SegmentParams(refine=False), segmenter=oracle(mask)
    )
    assert not any("objects" in warning for warning in cutout.warnings)
    top, bottom = cutout.source_box[1], cutout.source_box[3]
    assert (top + bottom) / 2 == pytest.approx(250, abs=1.5)


def test_an_object_cut_by_the_border_is_flagged() -> None:
    inside, cut = boxes(400, 400, (100, 100, 300, 300)), boxes(400, 400, (0, 100, 250, 300))
    for mask, flagged in ((inside, False), (cut, True)):
        cutout = segment(
            photo(colored(mask, (90, 50, 20), (250, 250, 250))), SegmentParams(refine=False), segmenter=oracle(mask)
        )
        assert any("cropped" in warning for warning in cutout.warnings) is flagged


def test_objects_too_small_or_too_close_are_refused() -> None:
    small, all_of_it = boxes(800, 800, (400, 400, 440, 430)), np.ones((400, 400), np.float32)
    with pytest.raises(PhotoTooSmall, match="40 pixels"):
        segment(photo(colored(small, (9, 9, 9), (250, 250, 250))), SegmentParams(), segmenter=oracle(small))
    with pytest.raises(PoorPhoto, match="fills the whole photo"):
        segment(photo(np.zeros((400, 400, 3), np.uint8)), SegmentParams(refine=False), segmenter=oracle(all_of_it))


def test_same_photo_same_bytes() -> None:
    mask = boxes(400, 500, (120, 90, 390, 333))
    picture = photo(colored(mask, (90, 50, 20), (250, 250, 250)))
    first, second = (segment(picture, SegmentParams(), segmenter=oracle(mask)).to_bytes() for _ in range(2))
    assert first == second


def test_a_long_strip_is_seen_in_windows_that_keep_proportions() -> None:
    shapes = []

    def watch(rgb: np.ndarray) -> np.ndarray:
        shapes.append(rgb.shape[:2])
        return (rgb[..., 0] < 100).astype(np.float32)

    mask = boxes(200, 4000, (2500, 20, 2660, 180))
    cutout = segment(
        photo(colored(mask, (20, 20, 20), (240, 240, 240))),
        SegmentParams(),
        segmenter=Segmenter("watch", "0" * 64, None, watch),
    )
    assert all(max(shape) <= 3.5 * min(shape) for shape in shapes)
    assert cutout.source_box == pytest.approx((2580 - 102.4, 100 - 102.4, 2580 + 102.4, 100 + 102.4), abs=6)
