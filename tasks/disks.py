"""Which disk is full: an error of writing often names no file, and a shop's machine has several disks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from core.errors import InputError
from storage.places import place_of
from tasks.settings import read_settings

FULL_BYTES = 1 << 20
"""With less free space a disk is what a failed write complains of."""


def mount_of(path: Path) -> Path:
    """Where the disk that holds a path, or would hold it, is mounted."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    device = path.stat().st_dev
    while path != path.parent and path.parent.stat().st_dev == device:
        path = path.parent
    return path


def written() -> Iterator[tuple[str, Path]]:
    """The folders that a run writes to: what each is called, and where it is."""
    try:
        settings = read_settings()
    except InputError:
        pass
    else:
        yield "MESHMILL_HOME", settings.home_path
        store = place_of(settings.store)
        if isinstance(store, Path):
            yield "the store", store
        if settings.database.database and settings.database.drivername == "sqlite":
            yield "the database", Path(settings.database.database.removeprefix("file:")).parent
    yield "TMPDIR", Path(os.environ.get("TMPDIR") or tempfile.gettempdir())  # a full one is passed over by tempfile
    yield "the working folder", Path.cwd()


def full_disk(file: str | None = None) -> str:
    """A clause that names the full disk by a file on it, else by what is full now; "" where nobody can tell."""
    if file:
        with suppress(OSError):
            return f" at {mount_of(Path(file))} ({file})"
        return f" ({file})"
    full: dict[Path, dict[Path, str]] = {}
    for name, folder in written():
        with suppress(OSError):  # another folder's trouble must not hide this one
            mount = mount_of(folder)
            known = full.get(mount, {})
            if shutil.disk_usage(mount).free < FULL_BYTES and not any(folder.is_relative_to(other) for other in known):
                full[mount] = known | {folder: name}
    named = {mount: ", ".join(f"{name} {folder}" for folder, name in of.items()) for mount, of in full.items()}
    return "".join(f" at {mount} ({names})" for mount, names in named.items())


def temporary() -> tuple[Path, int, str | None]:
    """Where temporary files go, how many bytes are free there, and what is wrong with TMPDIR."""
    folder = Path(tempfile.gettempdir())
    wanted = os.environ.get("TMPDIR")
    wrong = None
    if wanted and folder != Path(wanted).absolute():
        wrong = f"TMPDIR names {wanted}, which is no folder that can be written: {folder} is used instead."
    return folder, shutil.disk_usage(folder).free, wrong
