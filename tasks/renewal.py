"""The lease of a stage key, kept while its stage computes."""

from __future__ import annotations

import time
from contextlib import suppress

from core.errors import DatabaseDown
from db import leases
from db.stage_runs import LeaseLost
from tasks.factory import Factory

POLL_SECONDS = 0.5
"""How often to look whether another worker has finished the key that we wait for."""


class Renewal:
    """Renews the lease at a third of its life while the stage runs. Raises :class:`LeaseLost`.

    A database that is down for a moment does not end a stage that may have computed for half an hour: the row stands
    when it comes back, and whoever took it over meanwhile is noticed then.
    """

    def __init__(self, factory: Factory, key: str, owner: str) -> None:
        self._factory, self._key, self._owner = factory, key, owner
        self._last = time.monotonic()

    def __call__(self) -> None:
        seconds = self._factory.settings.lease_seconds
        if time.monotonic() - self._last < seconds / 3:
            return
        with suppress(DatabaseDown):
            if not leases.renew(self._factory.engine, self._key, self._owner, seconds):
                raise LeaseLost(self._key)
            self._last = time.monotonic()
