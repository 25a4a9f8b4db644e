"""Small pictures that were decoded or drawn once, kept for the next page that shows them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

MOST = 400
"""Pictures that are kept, some 40 KiB each; the one that was not asked for the longest goes first."""


class SmallPictures:
    """By what they were made of: a kind and a content hash, which never mean anything else."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def get(self, kind: str, sha256: str, make: Callable[[], bytes]) -> bytes:
        """The picture; what ``make`` raises is raised and not kept."""
        with self._lock:
            if (kind, sha256) in self._kept:
                self._kept.move_to_end((kind, sha256))
                return self._kept[kind, sha256]
        made = make()  # two pages may make it at once: the same bytes
        with self._lock:
            self._kept[kind, sha256] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made
