"""Every file of the awkward set ends as its table says, read and cut out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import errors
from core.photos import read_photo

READING = {
    "rgba_fully_transparent.png": errors.NoObject,
    "tiny_16x16.png": errors.PhotoTooSmall,
    "one_pixel.png": errors.PhotoTooSmall,
    "blank_white.png": errors.NoObject,
    "blank_black.png": errors.NoObject,
    "truncated.jpg": errors.UnreadablePhoto,
    "truncated.png": errors.UnreadablePhoto,
    "bitflip.png": errors.UnreadablePhoto,
    "zero_byte.jpg": errors.UnreadablePhoto,
    "text_renamed.jpg": errors.UnreadablePhoto,
    "html_renamed.png": errors.UnreadablePhoto,
    "svg_script.svg": errors.UnreadablePhoto,
    "pdf_renamed.png": errors.UnreadablePhoto,
    "eps_renamed.png": errors.UnreadablePhoto,
    "bomb_30000x30000.png": errors.UnreadablePhoto,
    "bomb_12000x12000.png": errors.UnreadablePhoto,
    "header_lie_100000x100000.png": errors.UnreadablePhoto,
    "ztxt_bomb.png": errors.UnreadablePhoto,
}
"""What reading alone refuses; ``noise.png`` is a valid photo that only the segmenter can refuse."""


@pytest.fixture(scope="module")
def awkward(shared_dir: Path) -> Path:
    return shared_dir / "awkward"


@pytest.fixture(scope="module")
def table(awkward: Path) -> list[dict[str, Any]]:
    return json.loads((awkward / "expected.json").read_text("utf-8"))


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore:Image size")
def test_every_file_is_read_or_refused_as_the_table_says(awkward: Path, table: list[dict[str, Any]]) -> None:
    assert {row["file"] for row in table if row["category"] == "REJECT"} == {*READING, "noise.png"}
    for row in table:
        name = row["file"]
        if name in READING:
            with pytest.raises(READING[name]) as caught:
                read_photo(awkward / name)
            assert re.fullmatch(r"[A-Z][^\n]{10,200}\.", str(caught.value)), f"{name}: one sentence, please"
        else:
            photo = read_photo(awkward / name)
            assert photo.rgba.dtype == np.uint8
            assert photo.rgba.shape[0] * photo.rgba.shape[1] <= 2048 * 2048
            assert photo.has_alpha or photo.rgba[..., 3].min() == 255, name


@pytest.mark.shared
def test_files_that_only_reading_can_doubt_carry_a_warning(awkward: Path) -> None:
    for name in ("animated.gif", "animated.webp", "photo.heic", "aspect_20_1.jpg"):
        assert read_photo(awkward / name).warnings, name
    for name in ("baseline_mug.jpg", "photo.avif", "progressive.jpg", "rgba16.png"):
        assert read_photo(awkward / name).warnings == (), name


@pytest.mark.shared
def test_the_same_mug_comes_out_of_every_format(awkward: Path) -> None:
    """Orientation, bit depth, colour model, container: up to compression the pixels are the baseline's."""
    baseline = read_photo(awkward / "baseline_mug.jpg").rgba[..., :3].astype(float)
    limits = {
        "exif_orientation6.jpg": 1.5,
        "exif_orientation2_mirror.jpg": 1.5,
        "progressive.jpg": 2,
        "rgb16.png": 2,
        "photo.avif": 3,
        "photo.heic": 3,
        "photo.bmp": 2,
        "photo.tiff": 2,
        "exif_gps.jpg": 2,
        "jpeg_2p6MB_exif_padding.jpg": 2,
        "naïve mug ☕ ; rm -rf $(x) ..%2f.jpg": 0,
        "srgb_icc.jpg": 2,
    }
    for name, limit in limits.items():
        difference = np.abs(read_photo(awkward / name).rgba[..., :3] - baseline).mean()
        assert difference <= limit, f"{name}: {difference:.2f} levels from the baseline"


@pytest.mark.shared
def test_grey_of_sixteen_bits_is_scaled_not_clipped(awkward: Path) -> None:
    eight = read_photo(awkward / "gray8.jpg").rgba[..., 0].astype(float)
    sixteen = read_photo(awkward / "gray16.png").rgba
    assert np.abs(sixteen[..., 0] - eight).mean() < 2
    assert (sixteen[..., 0] == sixteen[..., 2]).all()


@pytest.mark.shared
def test_a_mug_in_cmyk_stays_dark_red_on_near_white(awkward: Path) -> None:
    pixels = read_photo(awkward / "cmyk.jpg").rgba[..., :3].astype(float)
    red, green, blue = pixels[256, 220]
    assert red < 160
    assert red > green + 20
    assert red > blue + 20
    assert pixels[5, 5].min() > 200


@pytest.mark.shared
def test_what_hides_under_transparency_does_not_reach_the_cutout(awkward: Path) -> None:
    from core.segment import SegmentParams, segment

    for name in ("palette_transparent.png", "rgba_magenta_under_alpha.png"):
        photo = read_photo(awkward / name)
        assert photo.has_alpha
        cutout = segment(photo, SegmentParams(), segmenter=None)  # type: ignore[arg-type]  # alpha needs no model
        visible = cutout.rgba[cutout.rgba[..., 3] > 8][:, :3].astype(int)
        red, green, blue = visible.T
        assert not ((green > red + 60) & (green > blue + 60)).any(), f"{name}: green leaks"
        assert not ((red > green + 90) & (blue > green + 90)).any(), f"{name}: magenta leaks"


@pytest.mark.shared
def test_a_portrait_is_not_squashed(awkward: Path) -> None:
    assert read_photo(awkward / "portrait_512x1400.jpg").rgba.shape == (1400, 512, 4)
