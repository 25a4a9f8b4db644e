"""Files whose pixels are whole and whose rest is not: the right pixels, or a sentence that fits."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from test_read_photo import encode, scene

from core.errors import UnreadablePhoto
from core.photos import read_photo

PIXELS = np.asarray(scene()).astype(int)


def off(data: bytes) -> float:
    """Mean error of the pixels, levels."""
    return float(np.abs(read_photo(data).rgba[..., :3].astype(int) - PIXELS).mean())


def chunk(kind: bytes, body: bytes, *, good: bool) -> bytes:
    checksum = zlib.crc32(kind + body) ^ (0 if good else 0x5A5A)
    return len(body).to_bytes(4, "big") + kind + body + checksum.to_bytes(4, "big")


def with_chunk(kind: bytes, body: bytes, before: bytes) -> bytes:
    png = encode(scene())
    at = png.index(before) - 4
    return png[:at] + chunk(kind, body, good=False) + png[at:]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"tEXt", b"Comment\0hello"),
        (b"zTXt", b"C\0\0junk"),
        (b"iTXt", b"C\0\0\0\0\0x"),
        (b"tIME", bytes(7)),
        (b"pHYs", bytes(9)),
        (b"eXIf", b"MM\0*"),
        (b"prVt", b"private"),
        (b"tEXt", b"C\0" + b"x" * 2_000_000),
    ],
)
def test_a_damaged_comment_of_a_png_is_passed_over_and_said(kind: bytes, body: bytes, before: bytes) -> None:
    data = with_chunk(kind, body, before)
    assert off(data) == 0
    assert any("beside its pixels is damaged" in warning for warning in read_photo(data).warnings)


def test_a_png_without_its_last_chunk_is_whole() -> None:
    assert off(encode(scene())[:-12]) == 0
    assert off(encode(scene())[:-5]) == 0


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"tRNS", b"IDAT"])
def test_damage_in_what_a_png_is_made_of_is_refused(kind: bytes) -> None:
    png = bytearray(encode(scene().quantize(8), transparency=3))
    at = png.index(kind)
    end = at + 4 + int.from_bytes(png[at - 4 : at], "big")
    png[end] ^= 1
    with pytest.raises(UnreadablePhoto, match="damaged"):
        read_photo(bytes(png))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_read_where_all_pixels_are_there(progressive: bool) -> None:
    whole = encode(scene(), "JPEG", quality=95, progressive=progressive)
    for cut in (1, 2):
        assert off(whole[:-cut]) == off(whole)
        assert any("end of the file is missing" in warning for warning in read_photo(whole[:-cut]).warnings)
    assert off(whole[:-2] + bytes(999)) == off(whole)
    for cut in (10, 60, len(whole) // 2):
        with pytest.raises(UnreadablePhoto, match="incomplete"):
            read_photo(whole[:-cut])


@pytest.mark.parametrize("unused", [0, 1, 255])
@pytest.mark.parametrize("header", [40, 56, 108, 124])
def test_a_bmp_whose_fourth_channel_is_unused_is_opaque(header: int, unused: int) -> None:
    height, width = PIXELS.shape[:2]
    rows = np.dstack([PIXELS[..., ::-1], np.full((height, width), unused)])[::-1].astype(np.uint8).tobytes()
    head = struct.pack("<IiiHHIIiiII", header, width, height, 1, 32, 3, len(rows), 0, 0, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = head[: max(header, 52)].ljust(header, b"\0")
    data = b"BM" + struct.pack("<IHHI", 14 + len(head) + len(rows), 0, 0, 14 + len(head)) + head + rows
    assert off(data) == 0
    assert not read_photo(data).has_alpha


def tiff(pixels: NDArray[np.generic], *, photometric: int, bits: int, planes: int = 1, kind: int = 1) -> bytes:
    """A plain TIFF: ``(H, W, samples)``; ``planes`` 2: one colour after the other; ``kind`` 1 unsigned, 2 signed."""
    height, width, samples = pixels.shape
    stored = np.moveaxis(pixels, -1, 0) if planes == 2 else pixels
    data = np.ascontiguousarray(stored).tobytes()
    strips = samples if planes == 2 else 1
    each = len(data) // strips
    tags = [(256, [width]), (257, [height]), (258, [bits] * samples), (259, [1]), (262, [photometric])]
    tags += [(273, [8 + each * n for n in range(strips)]), (277, [samples]), (278, [height])]
    tags += [(279, [each] * strips), (284, [planes]), (339, [kind] * samples)]
    if samples > {0: 1, 1: 1, 2: 3, 5: 4}[photometric]:
        tags.insert(-1, (338, [2]))
    tags.sort()
    at = 8 + len(data)
    more, entries = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for tag, values in tags:
        packed = struct.pack(f"<{len(values)}I", *values)
        where = packed if len(values) == 1 else struct.pack("<I", behind + len(more))
        more += packed if len(values) > 1 else b""
        entries += struct.pack("<HHI", tag, 4, len(values)) + where
    return b"II*\0" + struct.pack("<I", at) + data + struct.pack("<H", len(tags)) + entries + bytes(4) + more


RGB16 = PIXELS.astype(np.uint16) * 257
GRAY = PIXELS.mean(-1, keepdims=True)


def test_tiffs_that_are_read_are_read_right() -> None:
    assert off(tiff(RGB16, photometric=2, bits=16)) == 0
    assert off(tiff(PIXELS.astype(np.uint8), photometric=2, bits=8, planes=2)) == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tiff(RGB16, photometric=2, bits=16, planes=2), "separate planes of 16 bits"),
        (tiff((GRAY * 257).astype(np.uint16), photometric=0, bits=16), "inverted pixels of 16 bits"),
        (tiff((GRAY * 16843009).astype(np.uint32), photometric=1, bits=32), "pixels of 32 bits"),
        (tiff((GRAY * 100).astype(np.int16), photometric=1, bits=16, kind=2), "signed pixels of 16 bits"),
        (tiff((GRAY / 255).astype(np.float32), photometric=0, bits=32, kind=3), "inverted pixels of 32 bits"),
        (tiff(np.dstack([PIXELS, GRAY, GRAY]).astype(np.uint8), photometric=5, bits=8), "kind that is not read"),
    ],
    ids=["planes", "inverted", "32 bits", "signed", "inverted floats", "CMYK with alpha"],
)
def test_tiffs_that_would_come_out_garbled_are_refused_in_words_that_fit(data: bytes, said: str) -> None:
    with pytest.raises(UnreadablePhoto, match=f"TIFF .*{said}.*save it as"):
        read_photo(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"\xff\xd8\xff\xe0junk", "JPEG|header"),
        (b"GIF89a", "GIF|header"),
        (b"MM\0*\0\0\0\x08\0\0", "TIFF"),
        (b"hello, I am a text", "known format"),
    ],
)
def test_what_is_no_photo_is_called_what_it_is(data: bytes, said: str) -> None:
    with pytest.raises(UnreadablePhoto, match=said):
        read_photo(data + bytes(100))


@pytest.mark.shared
def test_the_field_cases_photos(shared_dir: Path) -> None:
    cases = shared_dir / "field-cases" / "photos"
    with Image.open(io.BytesIO(without_crc(cases / "png_text_badcrc.png"))) as image:
        assert (read_photo(cases / "png_text_badcrc.png").rgba[..., :3] == np.asarray(image.convert("RGB"))).all()
    with pytest.raises(UnreadablePhoto, match="separate planes of 16 bits"):
        read_photo(cases / "tif16_rgb_planar.tif")


def without_crc(path: Path) -> bytes:
    """The PNG with its pixels' chunks alone."""
    data = path.read_bytes()
    kept, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
