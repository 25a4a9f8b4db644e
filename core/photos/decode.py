"""One photo file to one :class:`core.artifacts.Photo`, whatever the file tries."""

from __future__ import annotations

import io
import re
import struct
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Photo
from core.errors import NoObject, PhotoTooSmall, PhotoUnavailable, UnreadablePhoto
from core.photos.checks import check_fitness
from core.photos.color import to_eight_bits, to_srgb
from core.photos.files import open_regular
from core.photos.limits import PhotoLimits
from core.photos.mending import PNG, endings_of_jpeg, without_damaged_notes
from core.photos.tiffs import misread

if TYPE_CHECKING:
    from PIL.Image import Image

SAVE_AS = "save it as JPEG, PNG or an 8-bit RGB TIFF."

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "BMP", "TIFF", "GIF")
"""The only decoders that ever see a file: no PostScript, no PDF, no SVG, no rare C parsers."""

_HEAVY = frozenset({"WEBP", "AVIF", "HEIF"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
"""Major brands of HEIC files; AVIF has its own."""
_DECODER_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError, SyntaxError, TypeError, LookupError, EOFError)
_DECODER_ERRORS += (ArithmeticError, struct.error, RuntimeError, AttributeError, AssertionError, MemoryError, Warning)
"""What Pillow and its codecs raise on broken files; ours never run inside the guarded calls."""

_TRANSPOSE = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""EXIF orientation to Pillow's ``Transpose``."""


def read_photo(
    source: Path | bytes,
    limits: PhotoLimits = PhotoLimits(),  # noqa: B008 - frozen
    *,
    judged: bool = True,
) -> Photo:
    """Decode a photo: upright, 8-bit sRGB, straight alpha, metadata left behind, scaled to the working size.

    Sizes are judged by the header before decoding, formats by content, never by the file's name. The photo's warnings
    are sentences for a person. Raises :class:`UnreadablePhoto`, :class:`PhotoTooSmall`, :class:`NoObject` (wholly
    transparent or one plain colour) or :class:`PoorPhoto` (blurred beyond use). Not ``judged``, a plain or a blurred
    one is read, too: people want to see what was refused.
    """
    try:
        opened = io.BytesIO(source) if isinstance(source, bytes) else open_regular(Path(source))
    except PhotoUnavailable as error:
        raise UnreadablePhoto(str(error)) from error  # whoever asks for a file by its name is told what it is now
    with closing(opened) as stream:
        photo = _decode(stream, limits)
    return replace(photo, warnings=photo.warnings + check_fitness(photo, limits)) if judged else photo


def _decode(stream: BinaryIO, limits: PhotoLimits) -> Photo:
    size = stream.seek(0, io.SEEK_END)
    if size == 0:
        raise UnreadablePhoto("The file is empty.")
    if size > limits.max_bytes:
        raise UnreadablePhoto(f"The file has {size / 2**20:.0f} MiB; at most {limits.max_bytes // 2**20} are read.")
    stream, notes = _mended_png(stream)
    image = _open(stream)
    _check_size(image, limits)
    if image.format == "PNG":
        _verify_checksums(image)  # decoding alone skips them and would paint a flipped bit over the product
        image = _open(stream)
    if image.format == "TIFF" and (fault := misread(image)):
        raise UnreadablePhoto(f"The TIFF {fault}, which is not read here: {SAVE_AS}")
    if image.format in {"JPEG", "MPO"} and _scan_count(stream) > limits.max_scans:
        raise UnreadablePhoto("The JPEG consists of far more scans than any camera writes; save it again.")
    warnings = notes + _format_warnings(image)
    profile = image.info.get("icc_profile")
    try:
        pixels = _load(image, limits)
    except UnreadablePhoto:
        pixels = _without_its_end(image, stream, limits)
        warnings += ("The end of the file is missing; all of its pixels are there.",)
    if image.format == "BMP":
        pixels = _without_unused_alpha(pixels)
    orientation = _orientation(image)  # after loading: reading a PNG's or TIFF's EXIF earlier decodes, and turns a TIFF
    try:
        pixels, color_warnings = to_srgb(_scaled_down(to_eight_bits(pixels), limits), profile)
        if orientation in _TRANSPOSE:
            pixels = pixels.transpose(_transposition(orientation))
    except _DECODER_ERRORS as error:
        raise UnreadablePhoto("The file's kind of pixels cannot be read; save it as JPEG or PNG.") from error
    rgba, has_alpha, alpha_warnings = _judge_alpha(pixels)
    return Photo(rgba, has_alpha, image.format or "", warnings + color_warnings + alpha_warnings)


def _open(stream: BinaryIO) -> Image:
    """The header alone, by content, with the allowed decoders only."""
    from PIL import Image as Images
    from PIL import UnidentifiedImageError

    formats = FORMATS if _heif_is_readable() else tuple(name for name in FORMATS if name != "HEIF")
    stream.seek(0)
    head = stream.read(12)
    if formats is not FORMATS and head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        raise UnreadablePhoto("HEIC photos cannot be read on this installation; save the photo as JPEG.")
    stream.seek(0)
    try:
        return Images.open(stream, formats=formats)
    except (Images.DecompressionBombError, Images.DecompressionBombWarning) as error:
        raise UnreadablePhoto("The picture claims to have far too many pixels and was not opened.") from error
    except UnidentifiedImageError as error:
        raise UnreadablePhoto(_unidentified(head)) from error
    except _DECODER_ERRORS as error:
        raise UnreadablePhoto("The file is damaged: its header cannot be read.") from error


_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"II*\0", f"The TIFF is of a kind that is not read here, or damaged: {SAVE_AS}"),
    (b"MM\0*", f"The TIFF is of a kind that is not read here, or damaged: {SAVE_AS}"),
    (b"II+\0", f"The TIFF is of a kind that is not read here, or damaged: {SAVE_AS}"),
    (b"MM\0+", f"The TIFF is of a kind that is not read here, or damaged: {SAVE_AS}"),
    (PNG, "The PNG is damaged: copy or export it again."),
    (b"\xff\xd8\xff", "The JPEG is damaged: copy or export it again."),
    (b"BM", "The BMP is of a kind that is not read here, or damaged: save it as PNG."),
    (b"GIF8", "The GIF is damaged: copy or export it again."),
    (b"8BPS", "The file is a Photoshop document: save it as JPEG, PNG or TIFF."),
    (b"%PDF", "The file is a PDF, not a photo: save it as JPEG or PNG."),
)
"""How files begin, and what to say where they cannot be opened."""


def _unidentified(head: bytes) -> str:
    other = "The file is not a photo in a known format (JPEG, PNG, WebP, AVIF, HEIC, BMP, TIFF or GIF)."
    return next((sentence for beginning, sentence in _BEGINNINGS if head.startswith(beginning)), other)


def _mended_png(stream: BinaryIO) -> tuple[BinaryIO, tuple[str, ...]]:
    """The file; a PNG without its damaged comments, and what to say then."""
    stream.seek(0)
    if stream.read(len(PNG)) != PNG:
        return stream, ()
    stream.seek(0)
    mended = without_damaged_notes(stream.read())
    if mended is None:
        return stream, ()
    return io.BytesIO(mended), ("What the file says beside its pixels is damaged and was passed over.",)


def _without_its_end(image: Image, stream: BinaryIO, limits: PhotoLimits) -> Image:
    """The picture of a JPEG that was cut off behind its last pixel. Raises :class:`UnreadablePhoto` for any other file
    that does not decode."""
    stream.seek(0)
    ended = endings_of_jpeg(stream.read()) if image.format in {"JPEG", "MPO"} else None
    if ended is None:
        raise UnreadablePhoto("The file is damaged or incomplete; copy or export it again.")
    one, other = (_load(_open(io.BytesIO(data)), limits) for data in ended)
    if one.tobytes() != other.tobytes():
        raise UnreadablePhoto("The file is incomplete: a part of its pixels is missing; copy or export it again.")
    return one


def _without_unused_alpha(image: Image) -> Image:
    """A BMP's fourth channel that says the same everywhere was only reserved."""
    if image.mode == "RGBA":
        low, high = image.getchannel("A").getextrema()
        if low == high:
            return image.convert("RGB")
    return image


def _heif_is_readable() -> bool:
    """pillow-heif may be left out: its wheels hold GPL code (docs/licensing.md)."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _verify_checksums(image: Image) -> None:
    try:
        image.verify()
    except _DECODER_ERRORS as error:
        raise UnreadablePhoto("The file is damaged: its checksums do not match; copy or export it again.") from error


def _check_size(image: Image, limits: PhotoLimits) -> None:
    width, height = image.size
    cap = limits.max_pixels_heavy if image.format in _HEAVY else limits.max_pixels
    if width * height > cap:
        raise UnreadablePhoto(
            f"The picture has {width}x{height} pixels; at most {cap // 1_000_000} megapixels are read."
        )
    if min(width, height) < limits.min_side:
        raise PhotoTooSmall(
            f"The photo has {width}x{height} pixels; its shorter side needs at least {limits.min_side}."
        )


def _format_warnings(image: Image) -> tuple[str, ...]:
    if image.format == "HEIF":
        return ("HEIC photo: only its main picture is used, without depth, live and HDR extras.",)
    try:
        animated = image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except _DECODER_ERRORS:
        animated = False  # what follows the first frame is broken; the first decides by itself
    if not animated:
        return ()
    image.seek(0)
    return ("The file holds several pictures; only the first is used.",)


def _orientation(image: Image) -> int:
    """EXIF or XMP orientation, 1 (upright) where metadata is absent or broken."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except _DECODER_ERRORS:
        return 1


def _transposition(orientation: int):  # type: ignore[no-untyped-def]  # Pillow's enum, imported late
    from PIL.Image import Transpose

    return Transpose(_TRANSPOSE[orientation])


def _load(image: Image, limits: PhotoLimits) -> Image:
    """Decode; a JPEG is decoded at 1/2, 1/4 or 1/8 when that is still at least the working size."""
    width, height = image.size
    shrink = (limits.working_pixels / (width * height)) ** 0.5
    try:
        if shrink < 1:
            image.draft(None, (int(width * shrink) + 1, int(height * shrink) + 1))
        image.load()
    except _DECODER_ERRORS as error:
        raise UnreadablePhoto("The file is damaged or incomplete; copy or export it again.") from error
    return image


def _scaled_down(image: Image, limits: PhotoLimits) -> Image:
    """At most the working size; Pillow resamples colour premultiplied by alpha."""
    from PIL.Image import Resampling

    width, height = image.size
    shrink = (limits.working_pixels / (width * height)) ** 0.5
    if shrink >= 1:
        return image
    size = (max(1, int(width * shrink)), max(1, int(height * shrink)))
    return image.resize(size, Resampling.LANCZOS, reducing_gap=2.0)


def _judge_alpha(image: Image) -> tuple[NDArray[np.uint8], bool, tuple[str, ...]]:
    """Pixels ``(H, W, 4)``, whether alpha cuts an object out, warnings.

    It does when a real part of the picture is transparent and a real part is not. Alpha that hides next to nothing
    (a watermark's shade, rounded corners) is laid over white and counts as none.
    """
    from PIL import Image as Images

    alpha = np.asarray(image.getchannel("A"))
    if alpha.min() == 255:
        return np.ascontiguousarray(image), False, ()
    if alpha.max() < 32:
        raise NoObject("The photo is wholly transparent: no object found.")
    hidden = float((alpha < 128).mean())
    if 0.02 <= hidden <= 0.9995:
        return np.ascontiguousarray(image), True, ()
    if hidden > 0 and _is_trimmed(image, alpha):
        said = "Only the edge of the picture is transparent in places: all the rest is taken as the product."
        return np.ascontiguousarray(image), True, (said,)
    if hidden > 0.9995:
        raise NoObject("Almost nothing of the photo is visible through its transparency: no object found.")
    white = Images.alpha_composite(Images.new("RGBA", image.size, "white"), image)
    return np.ascontiguousarray(white), False, ("Slight transparency was laid over white.",)


def _is_trimmed(image: Image, alpha: NDArray[np.uint8]) -> bool:
    """Whether a cutout was cropped to its product, so that little more than its corners is transparent: what is hidden
    lies along the border, and the border shows no white ground."""
    from scipy.ndimage import label

    labels, count = label(alpha < 128)
    ring = [(slice(0, 1), slice(None)), (slice(-1, None), slice(None)), (slice(None), slice(0, 1))]
    ring.append((slice(None), slice(-1, None)))
    touching = set(np.concatenate([np.unique(labels[part]) for part in ring]).tolist()) - {0}
    if len(touching) < count:
        return False
    pixels = np.asarray(image)
    seen = np.concatenate([pixels[part].reshape(-1, 4) for part in ring])
    seen = seen[seen[:, 3] >= 128]
    return len(seen) > 0 and float((seen[:, :3].min(1) >= 240).mean()) < 0.5


_MARKER = re.compile(rb"\xff\xda")


def _scan_count(stream: BinaryIO) -> int:
    """Start-of-scan markers of a JPEG; in entropy-coded data an FF byte is always stuffed, so the count is exact there.

    Application segments (which may hold thumbnails) come before the first scan and are skipped by their length.
    """
    stream.seek(0)
    data = stream.read()
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        if data[position + 1] == 0xFF:  # fill byte
            position += 1
            continue
        position += 2 + max(2, int.from_bytes(data[position + 2 : position + 4], "big"))
    return sum(1 for _ in _MARKER.finditer(data, position))
