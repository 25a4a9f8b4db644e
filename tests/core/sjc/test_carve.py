"""Whether views agree decides how strictly their silhouettes carve."""

from __future__ import annotations

from dataclasses import replace

import torch
from sjc_scenes import inside, scene

from core.cameras import Camera
from core.sjc.carve import carve, outliers_among, voxel_centers
from core.sjc.views import View, photo_view, synthesized_views, white_distance_mask


def exact() -> list[View]:
    cutout, view_set = scene()
    return [photo_view(cutout, view_set.condition), *synthesized_views(view_set)]


def test_exact_views_overrule_none() -> None:
    assert outliers_among(exact()) == 0


def test_views_that_contradict_each_other_may_be_overruled() -> None:
    views = exact()
    turned = replace(views[3], camera=Camera(views[3].camera.azimuth + 90, views[3].camera.elevation))
    assert outliers_among([*views[:3], turned, *views[4:]]) == 3  # a quarter of twelve


def test_carving_keeps_the_scene_and_closes_the_rest() -> None:
    points = voxel_centers(64)
    truth = torch.from_numpy(inside(points.double().numpy()))
    kept = carve(exact(), points, 0, 0.0)[0] < 0.5
    assert float((kept & truth).sum()) > 0.85 * float((kept | truth).sum())


def test_the_strongest_objections_do_not_count_where_views_may_be_overruled() -> None:
    views, points = exact(), voxel_centers(16)
    assert bool((carve(views, points, 2, 0.0)[0] <= carve(views, points, 0, 0.0)[0]).all())


def test_a_highlight_is_filled_and_a_hole_stays_open() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    highlight = ((x - 22).square() + (y - 32).square()).sqrt()
    hole = ((x - 44).square() + (y - 32).square()).sqrt() < 4
    gray = (0.02 * (highlight - 3)).clamp(0, 0.3)  # fades to white within three pixels of its middle
    inside = (x > 8) & (x < 56) & (y > 16) & (y < 48) & ~hole
    mask = white_distance_mask(torch.where(inside, 1 - gray, torch.ones(())).expand(3, 64, 64))
    assert float(mask[32, 22]) == 1
    assert float(mask[32, 44]) == 0
