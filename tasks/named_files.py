"""Photos that a table names: where they lie, or what lies nearly there."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from urllib.parse import unquote

from core.catalogue.lines import NamedPhoto
from core.photos.litter import Kind, is_picture, kind_of
from core.photos.names import display_name
from storage.places import uri_path

__all__ = ["Looked", "NamedPhoto", "look_up"]


@dataclass(frozen=True)
class Looked:
    """A photo that a manifest names, and what was found."""

    photo: NamedPhoto
    wanted: Path
    """Where it was looked for."""
    paths: tuple[Path, ...] = ()
    fault: str | None = None
    """Why there is none, as the end of a sentence."""


def look_up(folder: Path, photo: NamedPhoto) -> Looked:
    """The photo below a folder: as it is written, with backslashes as slashes, in another normal form; a folder stands
    for the pictures in it. Another case or ending is named, never taken."""
    text, shown = photo.path, display_name(photo.path)
    if text.startswith("="):
        return Looked(photo, folder / "#", fault=f"{shown} is a formula: export its value, the photo's file name")
    if re.match(r"^(?:[A-Za-z][A-Za-z0-9+.-]+://|www\.|data:)", text) and not text.lower().startswith("file://"):
        path = folder / (unquote(re.sub(r"[?#].*", "", text)).rsplit("/", 1)[-1] or "#")
        if is_picture(path.name) and _status(path):  # downloaded already
            return Looked(photo, path, (path,))
        return Looked(photo, path, fault=f"{shown} is a URL: download the photo and name its file")
    if text.lower().startswith("file://"):
        text = str(uri_path(text))
    path = folder / text
    if not _status(path):
        text = text.replace("\\", "/")
        path = folder / text
    if re.match(r"^/[^/]", text) and not _status(path) and _status(folder / text[1:]):
        path = folder / text[1:]  # as shop systems write paths below their folder of media
    if re.match(r"^(?:[A-Za-z]:|//)", text) or not _is_inside(path, folder):
        return Looked(photo, path, fault=f"the photo {shown} lies outside the manifest's folder")
    found = path if _status(path) else _walk(folder, path.parts[len(folder.parts) :], _composed)
    status = _status(found) if found else None
    if found is None or status is None:
        return Looked(photo, path, fault=_missing(folder, path, shown))
    if not stat.S_ISDIR(status.st_mode):
        return Looked(photo, found, (found,))
    inside = tuple(found / name for name in sorted(_names(found)) if kind_of(name) is Kind.PHOTO)
    return Looked(photo, found, inside, None if inside else f"the folder {shown} holds no photo")


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (OSError, ValueError):
        return None


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def _missing(folder: Path, path: Path, shown: str) -> str:
    fault = f"there is no photo {shown} (looked for {display_name(str(path))})"
    parts = path.parts[len(folder.parts) :]
    near = _walk(folder, parts, str.casefold) or _walk(folder, parts, _without_ending) or _elsewhere(folder, parts)
    return f"{fault}; {display_name(str(near.relative_to(folder)))} lies there: is it meant?" if near else fault


def _elsewhere(folder: Path, parts: tuple[str, ...]) -> Path | None:
    """A file of that name directly beside the manifest."""
    return _walk(folder, parts[-1:], str.casefold) if len(parts) > 1 else None


def _composed(name: str) -> str:
    return name


def _without_ending(name: str) -> str:
    plain = name.casefold()
    return PurePath(plain).stem if is_picture(plain) else plain


def _walk(folder: Path, parts: tuple[str, ...], alike: Callable[[str], str]) -> Path | None:
    """The path below a folder whose every part is alike after composing its Unicode, where there is one."""
    path = folder
    for part in parts:
        if part == "..":
            return None
        wanted = alike(unicodedata.normalize("NFC", part))
        name = next((n for n in sorted(_names(path)) if alike(unicodedata.normalize("NFC", n)) == wanted), None)
        if name is None:
            return None
        path = path / name
    return path if parts else None


def _names(folder: Path) -> tuple[str, ...]:
    status = _status(folder)
    return _listed(str(folder), status.st_mtime_ns) if status else ()


@lru_cache(maxsize=16)
def _listed(folder: str, modified: int) -> tuple[str, ...]:
    """Names in a folder, as long as it was not written to."""
    try:
        return tuple(path.name for path in Path(folder).iterdir())
    except OSError:
        return ()
