"""Quality: metrics against ground truth, and the gate that works without one.

assess(cutout, view_set, glb, report, params) -> Assessment
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.quality.params import QualityParams

if TYPE_CHECKING:
    from core.quality.gate import assess

__all__ = ["QualityParams", "assess"]


def __getattr__(name: str) -> Any:
    """The gate, imported when first asked for: scipy takes a while."""
    if name == "assess":
        from core.quality.gate import assess

        return assess
    raise AttributeError(name)
