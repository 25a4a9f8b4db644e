"""Waiting out an outage: the store or the database is restarted, and what was computed must not be lost to that."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from core.errors import DatabaseDown, SetupError, StoreDown

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
"""Seconds between two tries: doubled each time, with jitter, so that a hundred workers do not come back at once."""


def patiently(
    work: Callable[[], T], seconds: float, stopping: threading.Event, alive: Callable[[], None] = lambda: None
) -> T:
    """``work``'s value, tried again for ``seconds`` while store or database are down; ``alive`` is called meanwhile.

    ``work`` must bear being done twice: a connection may break after the commit. Raises what ``work`` raised last.
    """
    deadline = time.monotonic() + seconds
    for attempt in count():
        try:
            return work()
        except SetupError:
            raise  # store or database will say the same in an hour
        except (StoreDown, DatabaseDown) as error:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311 - jitter
            if time.monotonic() + pause > deadline or stopping.wait(pause):
                raise
            if attempt == 0:
                logging.getLogger(__name__).warning("Waiting up to %.0f s: %s", seconds, error)
            alive()
    raise AssertionError("unreachable")
