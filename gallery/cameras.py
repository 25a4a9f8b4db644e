"""From where the photo was taken, in the words of the page's viewer: photo and model can be laid over each other."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from core.cameras import FIELD_OF_VIEW, INPUT_RADIUS
from core.errors import ObjectDamaged, ObjectMissing, StoreDown
from core.mesh.placement import Placement
from core.reports import FinishReport
from db.stage_runs import Stored
from storage import Store, read_bytes


def photo_camera(asset: dict[str, Any], store: Store, report: Stored | None) -> dict[str, str] | None:
    """``orbit``, ``target``, ``field`` and ``farthest`` (orbit) of ``<model-viewer>`` where it sees the cutout;
    None for an asset
    whose finishing report does not say how the model was placed."""
    elevation = _elevation(asset)
    if report is None or elevation is None:
        return None
    try:
        placement = Placement.from_report(
            FinishReport.model_validate_json(read_bytes(store, report.key, report.sha256))
        )
    except (ObjectMissing, ObjectDamaged, StoreDown, TypeError, ValueError):
        return None
    if placement is None:
        return None
    scale = placement.scale
    # The cameras look at the middle of the field's world.
    target = placement.place(np.zeros((1, 3)))[0]
    return {
        "orbit": f"{placement.turn:.5g}deg {90 - elevation:.4g}deg {INPUT_RADIUS * scale:.6g}m",
        "target": " ".join(f"{value:.6g}m" for value in target),
        "farthest": f"auto 180deg {2 * INPUT_RADIUS * scale:.6g}m",  # much farther would move the near plane, too
        "field": f"{FIELD_OF_VIEW:.5g}deg",
    }


def from_above(glb: bytes) -> bytes:
    """The model seen from straight above, PNG: the one side of the strip that no stored picture shows. Raises
    :class:`core.errors.MeshmillError` for a file that cannot be read."""
    from PIL import Image

    from core.cameras import Camera
    from core.mesh.gltf import read_glb
    from core.mesh.previews import picture

    out = io.BytesIO()
    Image.fromarray(picture(read_glb(glb), Camera(0, 90), 200)).save(out, "PNG")
    return out.getvalue()


def _elevation(asset: dict[str, Any]) -> float | None:
    """Degrees of the photo's camera above the horizon, as the views were made for it."""
    for stage in asset["stages"]:
        if stage["stage"] == "views" and stage.get("figures"):
            known = stage["figures"].get("elevation")
            return float(known["degrees"]) if isinstance(known, dict) and "degrees" in known else None
    return None
