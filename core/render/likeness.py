"""How alike two pictures are, in decibels."""

from __future__ import annotations

from math import inf, log10


def decibels(error: float, least: float = 0.0) -> float:
    """Peak signal-to-noise ratio ``10 log10(255² / MSE)`` of a mean squared error, taken as at least ``least``.

    Infinite for none.
    """
    error = max(error, least)
    return inf if error == 0 else 10 * log10(255**2 / error)
