"""One reconstruction a GPU: an operating-system lock a device, which the kernel frees however its holder ends."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.2


@contextmanager
def slot(device: str, waiting: Callable[[], None], folder: Path | None = None) -> Iterator[None]:
    """Hold a device of this host by its unique name; ``waiting`` is called about five times a second until it is free.

    Runs, users and databases of a host share the lock through ``folder`` (the system's temporary one); containers that
    share a GPU must share that folder.
    """
    descriptor = _opened((folder or Path(tempfile.gettempdir())) / f"meshmill-{device}.lock")
    try:
        while not _taken(descriptor):
            waiting()
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """Read-only, which is enough to lock: another user's file in a sticky folder may not be opened for writing."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
