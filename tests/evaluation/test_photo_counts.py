"""Pose errors, and several photos against one, on rows whose answers are plain."""

from __future__ import annotations

import pytest

from core.cameras import Camera
from core.placing.align import Placement
from evaluation.photo_counts import against_one, angle_between, pose_errors, pose_summary
from evaluation.records import AssetFigures, ObjectFigures


def test_the_angle_between_two_cameras_is_the_one_at_the_product() -> None:
    assert angle_between(Camera(0, 0), Camera(90, 0)) == pytest.approx(90)
    assert angle_between(Camera(10, 20), Camera(10, 50)) == pytest.approx(30)
    assert angle_between(Camera(0, 60), Camera(180, 60)) == pytest.approx(60), "high up the sides lie close together"


def test_a_photo_that_is_not_used_is_a_miss_and_a_far_one_an_exchange_of_sides() -> None:
    truths = {"a": Camera(90, 20), "b": Camera(180, 20), "c": Camera(270, 20)}
    placements = [
        Placement("photo", "main", True, "", 0.0, 20.0),
        Placement("a", "left", True, "", 90.0, 24.0),
        Placement("b", "back", True, "", 0.0, 20.0),
        Placement("c", "right", False, "It does not fit."),
    ]
    errors = pose_errors(placements, truths)
    assert [error.used for error in errors] == [True, True, False]
    assert pose_summary(errors) == {
        "photos": 3,
        "used_share": pytest.approx(2 / 3),
        "median_error": pytest.approx((4 + 140) / 2),
        "recall_5": pytest.approx(1 / 3),
        "recall_15": pytest.approx(1 / 3),
        "recall_30": pytest.approx(1 / 3),
        "opposite": 1,
    }
    assert pose_summary([]) is None
    assert (pose_summary(errors[2:]) or {})["median_error"] is None


def row(one: float, four: float, seconds: float = 8.0) -> dict[str, ObjectFigures]:
    def figures(iou: float, seconds: float) -> ObjectFigures:
        asset = AssetFigures(bytes=1, faces=1, seconds=1, cpu_seconds=seconds)
        return ObjectFigures(shape={"iou": iou, "chamfer": 1 - iou}, asset_view=None, asset=asset)

    return {"1": figures(one, 10.0), "4": figures(four, seconds)}


def test_thirds_go_by_what_one_photo_gives() -> None:
    found = against_one([row(0.9, 0.8), row(0.1, 0.3), row(0.5, 0.6), row(0.2, 0.5), row(0.6, 0.6), row(0.8, 0.9)], "4")
    assert found is not None
    assert [third.iou for third in found.thirds] == [
        pytest.approx((0.15, 0.4)),
        pytest.approx((0.55, 0.6)),
        pytest.approx((0.85, 0.85)),
    ]
    assert found.thirds[0].psnr == (None, None)
    assert (found.sets, found.better, found.clearly_worse) == (6, 4, 1)
    assert found.seconds_ratio == pytest.approx(0.8)
    assert found.reconstruct_seconds_ratio is None


def test_one_photo_is_compared_with_nothing() -> None:
    assert against_one([row(0.5, 0.6)], "1") is None
    assert against_one([{"4": row(0.5, 0.6)["4"]}], "4") is None
