"""What the gate looks at: every check with its bounds and the reason that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.quality.reasons import Severity

FLOOR = 0.02
"""A veto is never smaller than this."""


SEEN = 0.3
"""Nor is what a visible fault leaves of the score when it is decided whether to publish."""


HELD = 0.75
"""A visible fault that leaves less is named: it may be what holds the asset back."""


@dataclass(frozen=True)
class Check:
    """One measured value with the ramp that turns it into 0..1."""

    metric: str
    bad: float
    good: float
    code: str
    """The reason that it becomes (:mod:`core.quality.reasons`)."""
    severity: Severity = "affects"
    unit: str = "share"
    place: str | None = None


EVIDENCE = (
    Check("views_mask_iou", 0.45, 0.9, "sides_disagree", place="back"),
    Check("views_psnr", 9, 20, "side_colours", unit="dB", place="back"),
    Check("nearest_view_iou", 0.3, 0.9, "outline_jumps", place="edge"),
    Check("views_in_outline", 0.5, 0.98, "sticks_out", place="edge"),
    Check("views_palette", 0.3, 0.85, "other_colours", place="back"),
    Check("views_firmness", 0.5, 0.98, "faded_sides", place="back"),
    Check("views_variety", 0.05, 0.95, "back_like_front", place="back"),
    Check("unseen_texture", 0.55, 0.15, "invented_surface", place="underside"),
    Check("solidity", 0.25, 0.85, "open_shape", "note"),
    Check("convexity", 0.4, 0.95, "deep_gaps", "note"),
    Check("compactness", 0.15, 0.8, "thin_parts", "note"),
    Check("photo_contrast", 0.4, 0.1, "strong_contrast", "note"),
    Check("misplaced", 8, 13, "bold_print", "note", unit="dB"),
    Check("seed_agreement", 10, 24, "second_try_differs", unit="dB", place="back"),
    Check("shape_confidence", 0.45, 0.9, "unsure_shape", place="back"),
)
"""What the score is made of, between which bounds; the weights are the recipe's. A missing metric is left out.

None depends on grid, face budget or texture size: what is learnt from cheap assets holds for the factory's. How
difficult the product is (its print, its contrasts) counts too, but is only noted: nobody at a shop can change it.
"""


SEVERAL = (
    Check("left_out_outline", 0.6, 0.95, "sides_differ"),
    Check("pose_confidence", 0.3, 1.0, "loose_photos"),
    Check("views_mask_iou", 0.6, 0.97, "photos_outline"),
    Check("views_psnr", 12, 26, "photos_colours", unit="dB"),
    Check("unseen_texture", 0.5, 0.1, "hidden_surface", place="underside"),
)
"""The same of an asset from several photos; its views are the further photos. The agreement with photos left out is the
honest part: how well the lifts of all others foretell each (:mod:`core.sjc.confidence`)."""


def forecasting(metrics: Mapping[str, float]) -> tuple[Check, ...]:
    """The checks that the score of an asset with these metrics is made of."""
    return SEVERAL if metrics.get("photos", 1) > 1 else EVIDENCE


VETOES = (
    Check("closed", 0.0, 1.0, "holes_in_surface", "blocks"),
    Check("depth_ratio", 0.01, 0.08, "flat_shape", "blocks"),
    Check("box_fill", 0.002, 0.02, "nearly_nothing", "blocks"),
    Check("input_mask_iou", 0.6, 0.85, "front_outline", "blocks", place="front"),
    Check("input_psnr", 7, 11, "front_colours", "blocks", unit="dB", place="front"),
    Check("soft_edge", 0.5, 0.25, "transparent_parts", "blocks", place="cutout"),
)
"""What no other quality makes up for: the score is multiplied by each."""


VISIBLE = (
    Check("largest_part", 0.3, 0.8, "separate_pieces", "blocks"),
    Check("worst_view_mask_iou", 0.5, 0.76, "one_side_off", "blocks", place="back"),
    Check("front_gap", 0.15, 0.08, "missing_part", "blocks", place="front"),
    Check("see_through", 0.01, 0.001, "hole_through", "blocks"),
    Check("lean", 22, 12, "leaning", "blocks", unit="degrees"),
    Check("back_copy", 0.8, 0.4, "back_copies_front", "blocks", place="back"),
    Check("stray_share", 0.3, 0.1, "several_things", "blocks", place="cutout"),
)
"""Faults that anybody sees on turning the model, but that say little about the rest: the score stays, and is multiplied
by each only to decide. Whether the asset is published is then for a person to say."""


NOTES = (
    Check("parts", 4, 1, "extra_pieces", unit="pieces"),
    Check("thin_tips", 0.04, 0.01, "thin_tips", unit="share of the picture"),
    Check("hole_share", 0.1, 0.0, "holes_in_cutout", place="cutout"),
    Check("frame_contact", 0.3, 0.0, "cut_off", place="cutout"),
    Check("cutout_confidence", 0.3, 0.95, "uncertain_edge", place="cutout"),
    Check("handles", 8, 0, "tunnels", unit="tunnels"),
    Check("views_detail", 0.1, 0.8, "blurred_views", "note", place="back"),
    Check("views_contrast", 0.4, 1.0, "pale_views", "note", place="back"),
    Check("sides_detail", 0.2, 0.9, "blurred_sides", "note", place="back"),
    Check("sharpness", 0.1, 0.8, "blurred_surface", "note", place="front"),
    Check("seams", 0.08, 0.01, "seams", "note", place="edge"),
    Check("elevation_confidence", 0.0, 0.6, "guessed_height", "note"),
    Check("strangers", 1, 0, "another_colour", unit="photos"),
)
"""What a person is told beside what counts: faults that tell little about true quality, or whose scale moves with the
recipe's grid and texture size."""
