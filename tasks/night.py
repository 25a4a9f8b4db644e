"""What a night may take, and in which order it goes through its products."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import InputError
from core.photos.names import display_name


@dataclass(frozen=True)
class Night:
    """Limits of a run. What does not fit stays queued for the next one."""

    first: tuple[str, ...] = ()
    """SKUs that are built before all others, in this order; the others by the manifest's priority."""
    max_cost: float | None = None
    until: datetime | None = None
    """No product is begun that would not end by then."""

    def stop_reason(self, now: datetime, seconds: float, cost: float) -> str | None:
        """Why something that takes so long from now, and has cost so much by its end, does not fit."""
        if self.until is not None and now + timedelta(seconds=seconds) > self.until:
            return f"It would not end by {self.until:%H:%M}; it stays queued."
        if self.max_cost is not None and cost > self.max_cost:
            return f"It would cost more than {self.max_cost:g} in all; it stays queued."
        return None


def not_shown(sku: str) -> InputError:
    """A SKU that is to be built first and is not there."""
    return InputError(f"The photos show no product {display_name(sku)} to build first.")


class Budget:
    """A night's limits while it goes on. Called from several threads."""

    def __init__(self, night: Night, seconds: float = 0.0, cost: float = 0.0) -> None:
        self._night, self._seconds, self._cost = night, seconds, cost
        self._lock = threading.Lock()
        self._spent = 0.0
        self.stop_reason: str | None = None
        """Why what is left stays queued."""

    def spend(self, cost: float) -> None:
        """A stage was computed."""
        with self._lock:
            self._spent += cost

    def exhausted(self) -> bool:
        """Whether one more product, which takes as much as products did before, does not fit."""
        with self._lock:
            if self.stop_reason is None:
                now = datetime.now().astimezone()
                self.stop_reason = self._night.stop_reason(now, self._seconds, self._spent + self._cost)
            return self.stop_reason is not None


def night_of(first: Sequence[str], max_cost: float | None, until: str | None) -> Night:
    """The limits as the command line has them; ``until`` is the next time that a clock shows it. Raises
    :class:`InputError`."""
    if until is None:
        return Night(tuple(first), max_cost)
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", until.strip())
    if match is None:
        raise InputError(f"'{until}' is no time of day: write it as 06:30.")
    now = datetime.now().astimezone()
    moment = now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
    return Night(tuple(first), max_cost, moment if moment > now else moment + timedelta(days=1))
