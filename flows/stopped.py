"""How a flow run ends whose run was stopped."""

from __future__ import annotations

from typing import Any

from prefect.states import Cancelled

from core.errors import RunStopped
from tasks.stopping import CANCELLED


def end_of(stopped: str | None) -> Any:
    """None where it was not stopped, Prefect's Cancelled where a person did it. Raises :class:`RunStopped` else."""
    if stopped is None:
        return None
    if stopped == CANCELLED:
        return Cancelled(message=stopped)
    raise RunStopped(stopped)
