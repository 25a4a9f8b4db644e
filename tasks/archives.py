"""Photos in a ZIP file: unpacked below the home, within caps, and taken in as a folder."""

from __future__ import annotations

import os
import stat
import tempfile
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath

from core.errors import InputError
from core.photos.limits import PhotoLimits
from core.photos.litter import Kind, kind_of
from core.photos.names import display_name, safe_key

CHUNK = 1 << 20
MOST_FILES = 200_000
MOST_BYTES = 64 << 30
"""Of all pictures, unpacked."""
LARGEST = PhotoLimits().max_bytes
"""Of one picture."""
HIGHEST_RATIO = 200
"""Unpacked to packed bytes of all pictures together: photos are packed already, a bomb is a thousandfold."""


def unpack(home: Path, archive: Path) -> tuple[Path, str]:
    """The folder with the archive's pictures and tables; what stood there unchanged is left alone. Raises
    :class:`InputError` for what is no ZIP file, is protected, or unpacks to more than photos do.

    And its name: where all lies in one folder, as when a folder was packed, that one is the catalogue.
    """
    folder = home / "unpacked" / safe_key(str(archive))
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = _wanted(opened, archive.name)
            folder.mkdir(parents=True, exist_ok=True)
            for inside, part in wanted.items():
                _extract(opened, part, folder / inside)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError) as error:
        raise InputError(
            f"{display_name(archive.name)} cannot be read as a ZIP file: {error}. Pack it again."
        ) from error
    except RuntimeError as error:  # what zipfile says of a password
        raise InputError(
            f"{display_name(archive.name)} is protected by a password: unpack it, and pass the folder."
        ) from error
    _sweep(folder, set(wanted))
    tops = {inside.partition("/")[0] if "/" in inside else "" for inside in wanted}
    top = tops.pop() if len(tops) == 1 else ""
    return folder / top, top or archive.stem


def _wanted(opened: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Pictures, and what is worth a note, by their safe path inside."""
    parts: dict[str, zipfile.ZipInfo] = {}
    for part in opened.infolist():
        inside = _safe(_name(part))
        if inside and not part.is_dir() and not stat.S_ISLNK(part.external_attr >> 16):
            kind = kind_of(inside)
            noted = kind in (Kind.TABLE, Kind.ARCHIVE, Kind.PLACEHOLDER) and part.file_size < CHUNK
            if kind is Kind.PHOTO or noted:
                parts[inside] = part
    unpacked, packed = sum(p.file_size for p in parts.values()), sum(p.compress_size for p in parts.values())
    shown = display_name(name)
    if len(parts) > MOST_FILES:
        raise InputError(f"{shown} holds {len(parts):,} pictures; {MOST_FILES:,} are taken at most: unpack it.")
    if unpacked > MOST_BYTES or unpacked > HIGHEST_RATIO * max(packed, CHUNK):
        raise InputError(
            f"{shown} unpacks to {unpacked / 1e9:.1f} GB, far more than its photos can be: it is not opened."
        )
    return parts


def _name(part: zipfile.ZipInfo) -> str:
    """Many programs write UTF-8 without saying so; it is then read as the code page of DOS."""
    if part.flag_bits & 0x800:
        return part.filename
    with suppress(UnicodeError):
        return part.filename.encode("cp437").decode("utf-8")
    return part.filename


def _safe(name: str) -> str | None:
    """The path with nothing that leads out of the folder; None for a name that cannot be kept."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    if parts and parts[0].endswith(":"):
        parts = parts[1:]
    if not parts or any("\0" in part or len(os.fsencode(part)) > 240 for part in parts):
        return None
    return "/".join(parts)


def _extract(opened: zipfile.ZipFile, part: zipfile.ZipInfo, target: Path) -> None:
    """One picture, whole or not at all. An oversized one is left empty: it is then named as such."""
    if _is_there(target, part):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".unpacking-", delete=False) as out:
        partial = Path(out.name)
        try:
            left = part.file_size if part.file_size <= LARGEST else 0
            with opened.open(part) as stream:
                while left > 0 and (chunk := stream.read(min(CHUNK, left))):
                    out.write(chunk)
                    left -= len(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError):
            out.truncate(0)  # a damaged picture is an empty one, the others are whole
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    with suppress(OverflowError, ValueError, OSError):
        moment = time.mktime((*part.date_time, 0, 0, -1))
        os.utime(partial, (moment, moment))
    partial.replace(target)


def _is_there(target: Path, part: zipfile.ZipInfo) -> bool:
    """Whether the file stands there with these bytes: its row in the database then stays as it is."""
    try:
        if target.lstat().st_size != part.file_size:
            return False
        crc = 0
        with target.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                crc = zlib.crc32(chunk, crc)
    except OSError:
        return False
    return crc == part.CRC


def _sweep(folder: Path, wanted: set[str]) -> None:
    """Remove what an earlier version of the archive held."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(root, name)
            if path.relative_to(folder).as_posix() not in wanted:
                path.unlink(missing_ok=True)
