"""Several lifts as one volume: what is known of beams, of the ground, and of the product's size in its own cutout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.artifacts import Cutout
from core.cameras import Camera, project
from core.photo_set import Place, PosedPhoto
from core.sjc.carve import voxel_centers
from core.sjc.fused import SHARE, heights, own_frustum
from core.sjc.occupancy import CELLS, LIKELY, averaged, met
from core.zero123.lift import Volume


def box_photo(azimuth: float, bottom: float, top: float, half: float = 0.3) -> PosedPhoto:
    """A box that stands on ``bottom``, seen from 20 degrees above; its frame is the common one."""
    from scipy.spatial import ConvexHull
    from skimage.draw import polygon

    corners = np.array([[x, y, z] for x in (-half, half) for y in (bottom, top) for z in (-half, half)])
    camera = Camera(azimuth, 20)
    at = project(corners, camera, 512)[:, :2]
    outline = at[ConvexHull(at).vertices]
    rows, columns = polygon(outline[:, 1], outline[:, 0], (512, 512))
    rgba = np.zeros((512, 512, 4), np.uint8)
    rgba[rows, columns] = 255
    return PosedPhoto(Cutout(rgba, (0, 0, 512, 512), "alpha"), Place(camera))


@pytest.mark.parametrize("bottom", [-0.4, -0.2])
@pytest.mark.parametrize("turn", [0, 40])
def test_a_box_ends_where_its_outlines_ask_it_to_though_they_leave_a_cone_and_a_roof(
    bottom: float, turn: float
) -> None:
    photos = [box_photo(azimuth + turn, bottom, 0.3) for azimuth in (0, 90, 180, 270)]
    room = 0.3 * np.tan(np.radians(20))
    low, high = heights(photos)
    assert bottom - 0.02 <= low < bottom + 0.06
    assert bottom - room < low - 0.05
    assert 0.28 <= high < 0.33
    assert 0.3 + room > high + 0.05


def test_a_beam_through_the_product_meets_some_of_it() -> None:
    size = CELLS
    occupied = torch.full((size,), 0.02)
    beam = torch.zeros(size, dtype=torch.long)
    surer = met(occupied, beam, (occupied > 0).to(occupied.dtype), size)
    assert float(surer.max()) == pytest.approx(0.02 / (1 - 0.98**16), rel=1e-3), "sixteen pieces, one of them solid"
    certain = torch.cat([torch.tensor([0.99]), torch.zeros(size - 1)])
    six = certain.repeat_interleave(6)
    assert torch.allclose(
        met(six, beam.repeat_interleave(6), (six > 0).to(six.dtype), size)[:6].max(), torch.tensor(1.0), atol=0.02
    )
    assert float(met(certain, beam, (certain > 0).to(certain.dtype), size)[1:].max()) == 0, (
        "what is outside an outline stays empty"
    )


def test_a_photo_taken_from_the_side_looks_at_its_own_side() -> None:
    empty = torch.zeros(1)
    volume = Volume(empty, empty, empty, torch.tensor([0.0]))
    points = torch.tensor([[0.0, 0.0, 0.4], [0.4, 0.0, 0.0]])  # towards the front, towards the right
    front = own_frustum(points, Place(Camera(0, 0)), volume)[0]
    right = own_frustum(points, Place(Camera(90, 0)), volume)[0]
    assert torch.allclose(front[0], right[1], atol=1e-6)
    nearer = own_frustum(points, Place(Camera(90, 0), 2.0, (0.1, 0.0)), volume)[0]
    assert torch.allclose(nearer[1], (right[1] - torch.tensor([0.1, 0, 0])) * 2, atol=1e-6)


def test_both_opinions_meet_at_their_surfaces() -> None:
    points = voxel_centers(4)[:, 0].view(4, 4, 4)
    sigma, occupied = torch.where(points > 0, 9.0, 3.0), torch.where(points > 0, 1.0, LIKELY)
    half = averaged(sigma, 3.0, occupied, SHARE)
    assert float(half[points < 0].mean()) == pytest.approx(0.5)
    assert float(half[points > 0].min()) > 0.5
