"""What a stage gives up, step by step, when memory runs out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LADDERS: dict[str, tuple[dict[str, float], ...]] = {"views": ({"batch": 0.5},) * 3}
"""Stage to steps down; each names parameters and the factor they shrink by."""


def step_down(stage: str, params: Mapping[str, Any], ladder: int) -> dict[str, Any]:
    """The parameters after ``ladder`` steps; integers stay integers, at least 1."""
    changed = dict(params)
    for step in LADDERS.get(stage, ())[:ladder]:
        for name, factor in step.items():
            value = changed[name]
            changed[name] = max(1, int(value * factor)) if isinstance(value, int) else value * factor
    return changed
