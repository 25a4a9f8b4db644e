"""What lies among photos without being one: system folders, recycle bins, thumbnails, placeholders, archives."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from core.photos.files import PHOTO_EXTENSIONS, REFUSED_EXTENSIONS
from core.photos.names import display_name

SYSTEM_FOLDERS = frozenset(
    {"__macosx", "#recycle", "#snapshot", "@eadir", "@recycle", "@recently-snapshot", "@sharesnap", "$recycle.bin"}
    | {"recycler", "recycled", "system volume information", "lost+found", "network trash folder", "temporary items"}
    | {"thumbs.db:encryptable", "found.000", "@tmp", "@appconf", "@database", "_vti_cnf", "desktop.ini", "@thumb"}
)
"""Lower case: folders of Synology, QNAP, Windows, macOS and archives, in which no photo of a shop lies."""

_THUMBNAIL = re.compile(r"^(?:synophoto_(?:thumb|film)_|synoindex|s800_|default_thumb|ehthumbs)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"^\.(?P<name>.+)\.icloud$", re.IGNORECASE)
_UNFINISHED = frozenset({".part", ".crdownload", ".partial", ".filepart", ".download", ".tmp"})
_ARCHIVES = frozenset({".zip", ".rar", ".7z", ".tar", ".gz", ".tgz"})
_TABLES = frozenset({".csv", ".tsv", ".xlsx", ".xlsm", ".xls", ".ods", ".json"})
_TABLE_WORDS = re.compile(r"sku|product|produkt|artik|catalog|katalog|item|manifest|export|shop|list", re.IGNORECASE)


class Kind(StrEnum):
    """What a file of a source is, by its name."""

    PHOTO = "photo"
    PLACEHOLDER = "placeholder"
    """Its bytes are in iCloud, not here."""
    UNFINISHED = "unfinished"
    """A download or upload that has not come to its end."""
    ARCHIVE = "archive"
    TABLE = "table"
    NOTHING = "nothing"


def kind_of(path: str) -> Kind:
    """What the file at a path inside a source is; parts are joined by ``/``."""
    parts = [part for part in path.split("/") if part]
    if not parts or any(is_system_folder(part) for part in parts[:-1]):
        return Kind.NOTHING
    name = parts[-1]
    # Only a key in a store can have a part of mere dots: nobody can ask for it, which its product will say.
    if any(part.startswith(".") and part.strip(".") for part in parts[:-1]):
        return Kind.NOTHING
    placeholder = _PLACEHOLDER.match(name)
    if placeholder:
        return Kind.PLACEHOLDER if is_picture(placeholder["name"]) else Kind.NOTHING
    if name.startswith((".", "~$")) or _THUMBNAIL.match(name):
        return Kind.NOTHING
    ending = PurePosixPath(name).suffix.lower()
    if is_picture(name):
        return Kind.PHOTO
    if ending in _UNFINISHED:
        return Kind.UNFINISHED if is_picture(name[: -len(ending)]) else Kind.NOTHING
    if ending in _ARCHIVES:
        return Kind.ARCHIVE
    return Kind.TABLE if ending in _TABLES and len(parts) == 1 else Kind.NOTHING


def is_picture(name: str) -> bool:
    """Whether a name ends as a picture's does, read here or not."""
    return PurePosixPath(name).suffix.lower() in PHOTO_EXTENSIONS | REFUSED_EXTENSIONS


def is_system_folder(name: str) -> bool:
    """Whether a folder belongs to a file server, a system or an archive's maker, not to the shop."""
    plain = name.casefold()
    return plain in SYSTEM_FOLDERS or plain.startswith((".trash", "$recycle", "@eadir", "@__thumb", ".@__thumb"))


@dataclass
class Litter:
    """What was passed over in a source and is worth a sentence."""

    names: dict[Kind, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: Kind, path: str) -> None:
        self.names[kind].append(path)

    def notes(self) -> tuple[str, ...]:
        """A sentence a kind: what one sees, then what to do."""
        found = {kind: sorted(paths) for kind, paths in self.names.items() if paths}
        notes = []
        if paths := found.get(Kind.PLACEHOLDER):
            what = _count(paths, "iCloud placeholder")
            notes.append(f"{what}, whose photos are not on this disk: in Finder choose Download Now, then run again.")
        if paths := found.get(Kind.UNFINISHED):
            notes.append(
                f"{_count(paths, 'unfinished download')}, for example {_name(paths[0])}: taken when they are complete."
            )
        if paths := found.get(Kind.ARCHIVE):
            notes.append(
                f"{_count(paths, 'archive')}, for example {_name(paths[0])}: unpack it, or pass a ZIP file itself."
            )
        notes += [
            f"{_name(path)} lies beside the photos: pass it instead, if it says which photo shows which product."
            for path in found.get(Kind.TABLE, [])[:3]
            if not path.lower().endswith(".json") or _TABLE_WORDS.search(path)
        ]
        return tuple(notes)


def _count(paths: list[str], what: str) -> str:
    return f"{len(paths)} {what}{'s' if len(paths) > 1 else ''}"


def _name(path: str) -> str:
    return display_name(path)
