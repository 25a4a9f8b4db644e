"""Which files of a folder may be photos, and how to open one without following links or blocking on devices."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from core.errors import PhotoUnavailable, UnreadablePhoto

PHOTO_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".hif", ".bmp", ".tif", ".tiff"}
    | {".gif"}
)
"""Lower case, with the dot. The extension only selects files; :func:`core.photos.read_photo` judges by content."""

REFUSED_EXTENSIONS = frozenset(
    {".svg", ".eps", ".psd", ".psb", ".ai", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".raf", ".rw2", ".pef"}
    | {".jp2", ".jxl", ".tga", ".xcf"}
)
"""Pictures that no photo reader here opens: taken up all the same, so that they end with a sentence, not in silence."""


def is_regular_photo_file(path: Path) -> bool:
    """True for a regular file with a photo's extension; never for links, FIFOs, sockets, devices or folders.

    Hidden files (``.DS_Store``, ``._IMG_1.jpg``) are no photos. A path that vanished is False, not an error.
    """
    if path.name.startswith(".") or path.suffix.lower() not in PHOTO_EXTENSIONS:
        return False
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def find_photo_files(folder: Path) -> Iterator[Path]:
    """Every photo file below ``folder``, sorted within each folder; links are followed neither to files nor folders."""
    for root, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (path for path in (Path(root) / name for name in sorted(names)) if is_regular_photo_file(path))


def open_regular(path: Path) -> BinaryIO:
    """The file opened for reading, never through a link in its last component, never a FIFO or device.

    Raises :class:`UnreadablePhoto` for what is no file or no name, :class:`PhotoUnavailable` for what the surroundings
    are to blame for: a mount, a permission, a file that is not there, a disk. ``O_NONBLOCK`` keeps a FIFO from blocking
    between the check and the opening.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        if path.is_symlink():
            raise UnreadablePhoto("The file is a link; links are not followed: put the photo itself here.") from error
        if isinstance(error, OSError) and error.errno not in _OWN_FAULT:
            raise unavailable(error) from error
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its name is not usable"
        raise UnreadablePhoto(f"The file cannot be opened: {reason}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadablePhoto("This is not a regular file but a folder, a pipe or a device.")
    return os.fdopen(descriptor, "rb")


_OWN_FAULT = {errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}
"""What no mount, no permission and no other day would change: a link, a socket, a name that nothing can have."""


def unavailable(error: OSError) -> PhotoUnavailable:
    """The error of somebody who could not read a photo that may be good."""
    gone = error.errno in (errno.ENOENT, errno.ENOTDIR)
    reason = "it is not there any more" if gone else error.strerror or type(error).__name__
    return PhotoUnavailable(f"The photo cannot be read now: {reason}.")
