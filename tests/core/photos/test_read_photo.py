"""Decoding: colour, alpha, orientation, limits, on files made here."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.errors import NoObject, PhotoTooSmall, PoorPhoto, UnreadablePhoto
from core.photos import PhotoLimits, read_photo
from core.photos.checks import edge_blur


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scene(width: int = 200, height: int = 160) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[: height // 2, : width // 2] = (220, 20, 30)
    pixels[: height // 2, width // 2 :] = (20, 200, 40)
    pixels[height // 2 :, : width // 2] = (10, 40, 210)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_comes_out_upright(orientation: int, kind: str) -> None:
    upright = scene()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that the viewer's one reverses
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if kind in {"JPEG", "WEBP"} else {}
    photo = read_photo(encode(stored, kind, exif=exif.tobytes() if kind != "TIFF" else exif, **options))
    assert photo.rgba.shape == (160, 200, 4)
    assert np.abs(photo.rgba[..., :3].astype(int) - np.asarray(upright)).mean() < 3


def test_a_wide_gamut_profile_is_converted_pixel_by_pixel() -> None:
    """lcms is the reference: the reader must give what a direct conversion with its transform gives."""
    swapped = _matrix_profile()
    source = scene()
    expected = ImageCms.profileToProfile(
        source, ImageCms.ImageCmsProfile(io.BytesIO(swapped)), ImageCms.createProfile("sRGB"), renderingIntent=1
    )
    assert expected is not None
    photo = read_photo(encode(source, icc_profile=swapped))
    assert (photo.rgba[..., :3] == np.asarray(expected)).all()
    assert np.abs(photo.rgba[..., :3].astype(int) - np.asarray(source)).max() > 10  # the profile does something


def _matrix_profile() -> bytes:
    """An RGB profile with gamma 1 in place of sRGB's curve: sRGB's bytes with every curve tag pointed at gamma 1."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    start = len(data)
    data += b"curv" + bytes(4) + (1).to_bytes(4, "big") + (256).to_bytes(2, "big") + bytes(2)
    for index in range(count):
        entry = 132 + 12 * index
        if data[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            data[entry + 4 : entry + 12] = start.to_bytes(4, "big") + (14).to_bytes(4, "big")
    data[0:4] = len(data).to_bytes(4, "big")
    return bytes(data)


def test_a_display_p3_photo_is_converted_as_the_closed_form_says() -> None:
    """Independent of lcms: sRGB's curve undone, P3 primaries to XYZ to sRGB primaries, sRGB's curve again."""
    rng = np.random.default_rng(3)
    # Colours inside both gamuts: greyish ones, so that nothing is clipped.
    pixels = np.clip(rng.integers(60, 200, (160, 200, 1)) + rng.integers(-25, 26, (160, 200, 3)), 0, 255)
    alpha = rng.integers(0, 256, (160, 200, 1))
    alpha[:40] = 0
    stored = np.concatenate([pixels, alpha], 2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = Image.fromarray(np.ascontiguousarray(stored[::-1, ::-1]))
    photo = read_photo(encode(turned, icc_profile=_p3_profile(), exif=exif.tobytes()))

    linear = np.where(pixels / 255 <= 0.04045, pixels / 255 / 12.92, ((pixels / 255 + 0.055) / 1.055) ** 2.4)
    to_srgb = np.linalg.inv(_SRGB_TO_XYZ) @ _P3_TO_XYZ
    mixed = np.clip(linear @ to_srgb.T, 0, 1)
    expected = 255 * np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
    assert np.abs(photo.rgba[..., :3] - expected).max() <= 1.5
    assert np.abs(photo.rgba[..., :3] - pixels).max() > 5  # the profile does something
    assert (photo.rgba[..., 3:] == alpha).all(), "alpha is no colour: neither converted nor multiplied in"


_SRGB_TO_XYZ = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
_P3_TO_XYZ = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
"""Columns: the primaries adapted to D50, as the profiles of sRGB and Display P3 hold them."""


def _p3_profile() -> bytes:
    """sRGB's profile with the primaries of Display P3, whose curve is the same."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for index in range(int.from_bytes(data[128:132], "big")):
        entry = 132 + 12 * index
        column = {b"rXYZ": 0, b"gXYZ": 1, b"bXYZ": 2}.get(bytes(data[entry : entry + 4]))
        if column is not None:
            offset = int.from_bytes(data[entry + 4 : entry + 8], "big") + 8
            for row in range(3):
                value = round(_P3_TO_XYZ[row, column] * 65536)
                data[offset + 4 * row : offset + 4 * row + 4] = value.to_bytes(4, "big", signed=True)
    return bytes(data)


def test_a_tiff_with_premultiplied_alpha_comes_out_straight() -> None:
    """TIFF may store colour times alpha (ExtraSamples 1); the product's rim would be dark if it stayed so."""
    alpha = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None], 160, 0)
    alpha[60:100] = 255  # a sharp edge, else the photo counts as blurred
    color = np.array([200, 100, 40])
    stored = np.dstack([np.rint(color * (alpha / 255)[..., None]), alpha]).astype(np.uint8)
    straight = bytes.fromhex("520103000100000002000000")  # the tag ExtraSamples as Pillow writes it: 2, unassociated
    data = encode(Image.fromarray(stored), "TIFF")
    assert data.count(straight) == 1
    photo = read_photo(data.replace(straight, straight.replace(b"\2", b"\1")))
    assert photo.has_alpha
    assert (photo.rgba[..., 3] == alpha).all()
    sure = alpha > 100  # below, few levels are left to divide
    assert np.abs(photo.rgba[sure][:, :3].astype(int) - color).max() <= 3


def test_heic_is_refused_by_name_where_its_reader_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    data = encode(scene(), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadablePhoto, match="HEIC photos cannot be read on this installation"):
        read_photo(data)
    assert read_photo(encode(scene())).rgba.shape == (160, 200, 4)


def test_an_unusable_profile_is_a_warning() -> None:
    photo = read_photo(encode(scene(), icc_profile=b"not a profile at all"))
    assert any("colour profile" in warning for warning in photo.warnings)
    assert (photo.rgba[..., :3] == np.asarray(scene())).all()


def test_alpha_stays_straight_and_exact() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (150, 150, 4)).astype(np.uint8)
    pixels[:60, :, 3] = 0
    photo = read_photo(encode(Image.fromarray(pixels)))
    assert photo.has_alpha
    assert (photo.rgba == pixels).all()


def test_sixteen_bit_grey_maps_every_level_to_its_nearest() -> None:
    ramp = np.random.default_rng(0).permutation(65536).astype(np.uint16).reshape(256, 256)
    photo = read_photo(encode(Image.fromarray(ramp)))
    assert (photo.rgba[..., 0] == np.rint(ramp / 257).astype(np.uint8)).all()


def test_a_float_tiff_is_read_as_zero_to_one() -> None:
    ramp = np.random.default_rng(0).random((200, 200), np.float32)
    photo = read_photo(encode(Image.fromarray(ramp), "TIFF"))
    assert np.abs(photo.rgba[..., 0] - ramp * 255).max() <= 0.51


def test_a_palette_colour_key_becomes_alpha() -> None:
    image = Image.fromarray(np.kron([[0, 1], [1, 1]], np.ones((100, 100), np.uint8)).astype(np.uint8), "P")
    image.putpalette([0, 255, 0, 200, 10, 10])
    photo = read_photo(encode(image, transparency=0))
    assert photo.has_alpha
    assert (photo.rgba[:100, :100, 3] == 0).all()
    assert (photo.rgba[120, 120] == (200, 10, 10, 255)).all()


def test_slight_transparency_is_laid_over_white() -> None:
    pixels = np.dstack([np.asarray(scene()), np.full((160, 200), 200, np.uint8)])
    photo = read_photo(encode(Image.fromarray(pixels)))
    assert not photo.has_alpha
    assert photo.warnings
    expected = np.asarray(scene()) * (200 / 255) + 255 * (55 / 255)
    assert np.abs(photo.rgba[..., :3] - expected).max() <= 1.01


def test_large_photos_are_scaled_to_the_working_size_without_bleeding_hidden_colour() -> None:
    pixels = np.zeros((2000, 3000, 4), np.uint8)
    pixels[...] = (255, 0, 255, 0)
    pixels[500:1500, 800:2200] = (40, 160, 60, 255)
    limits = PhotoLimits(working_pixels=600_000)
    photo = read_photo(encode(Image.fromarray(pixels), compress_level=1), limits)
    height, width = photo.rgba.shape[:2]
    assert height * width <= 600_000
    assert abs(width / height - 1.5) < 0.01
    visible = photo.rgba[photo.rgba[..., 3] > 8].astype(int)
    assert np.abs(visible[:, :3] - (40, 160, 60)).max() < 12


def test_pixels_are_counted_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a refused photo was decoded")

    data = encode(Image.new("L", (4000, 4000)))
    monkeypatch.setattr(Image.Image, "load", never)
    with pytest.raises(UnreadablePhoto, match="4000x4000"):
        read_photo(data, PhotoLimits(max_pixels=15_000_000))


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    data = encode(scene(), "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    scan = data[first : data.index(b"\xff", first + 2)] if b"\xff" in data[first + 2 :] else data[first:]
    with pytest.raises(UnreadablePhoto, match="scans"):
        read_photo(data[:-2] + scan * 1000 + data[-2:])


@pytest.mark.parametrize(("size", "fits"), [((128, 128), True), ((127, 400), False), ((400, 127), False)])
def test_the_shorter_side_needs_128_pixels(size: tuple[int, int], fits: bool) -> None:
    data = encode(scene(*size))
    if fits:
        assert read_photo(data).rgba.shape[:2] == size[::-1]
    else:
        with pytest.raises(PhotoTooSmall, match="128"):
            read_photo(data)


def test_a_photo_that_is_hardly_more_than_a_line_is_refused() -> None:
    """Found by fuzzing: a header that claims 128x123014 pixels, scaled down to 1 pixel's width."""
    with pytest.raises(PoorPhoto, match="a strip, 150 times"):
        read_photo(encode(Image.effect_noise((128, 19_200), 80)))


def test_nearly_uniform_photos_show_no_object() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(NoObject):
        read_photo(encode(Image.fromarray(rng.integers(250, 253, (300, 300, 3)).astype(np.uint8))))


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 8.0])
def test_blur_is_measured_in_pixels(sigma: float) -> None:
    from scipy.ndimage import gaussian_filter

    step = np.zeros((400, 400), np.float32)
    step[100:300, 100:300] = 200
    assert edge_blur(gaussian_filter(step, sigma)) == pytest.approx(sigma, abs=0.3)


def test_blurred_photos_are_flagged_then_refused() -> None:
    from PIL import ImageFilter

    photo = scene(512, 400)
    assert read_photo(encode(photo)).warnings == ()
    assert any("blurred" in w for w in read_photo(encode(photo.filter(ImageFilter.GaussianBlur(4)))).warnings)
    with pytest.raises(PoorPhoto, match="blurred"):
        read_photo(encode(photo.filter(ImageFilter.GaussianBlur(10))))


def test_metadata_stays_behind(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret description"
    photo = read_photo(encode(scene(), "JPEG", exif=exif.tobytes(), comment=b"secret comment"))
    assert "secret" not in repr(vars(photo))
