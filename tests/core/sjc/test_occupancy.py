"""What a field and a lift say of matter, told the outline of a photo."""

from __future__ import annotations

import numpy as np
import torch
from sjc_scenes import scene

from core.cameras import Camera
from core.sjc import reconstruct
from core.sjc.carve import voxel_centers
from core.sjc.occupancy import LIKELY, averaged, lifted_occupancy, outlined
from core.sjc.params import ReconstructParams
from core.sjc.views import View
from core.zero123.lift import Volume


def volume(logit: float, size: int = 32) -> Volume:
    """The same probability everywhere, green."""
    cells = size // 2
    colour = torch.tensor([-9.0, 9.0, -9.0, -9.0]).view(1, 4, 1, 1, 1).expand(1, 4, *[cells // 2] * 3)
    density = torch.full((1, 1, cells, cells, cells), logit)
    return Volume(density, colour, torch.zeros(1, 3, size, size), torch.tensor([20.0]))


def photo(half: float) -> View:
    """A square outline, ``half`` of the frame wide on each side of the middle."""
    at = ((torch.arange(64) + 0.5) / 32 - 1).abs() < half
    mask = (at[:, None] & at[None]).float()
    return View(Camera(0.0, 20.0), torch.ones(3, 64, 64), mask, trusted=True)


def test_matter_lies_inside_the_outline_alone_and_is_shown_in_the_lifts_colour() -> None:
    occupied, colour = lifted_occupancy(volume(3.0), photo(0.5), 32)
    wide, _ = lifted_occupancy(volume(3.0), photo(0.8), 32)
    assert 0 < int((occupied > 0).sum()) < int((wide > 0).sum())
    assert torch.all(wide[occupied > 0] > 0)
    assert torch.allclose(colour[occupied > 0], torch.tensor([0.0, 1.0, 0.0]), atol=0.01)


def test_a_beam_that_hardly_anybody_believes_in_still_meets_matter() -> None:
    """Faint everywhere: inside the outline it becomes likely; what is likely anyway hardly changes."""
    faint, _ = lifted_occupancy(volume(-3.0), photo(0.5), 32)
    sure, _ = lifted_occupancy(volume(3.0), photo(0.5), 32)
    before = float(torch.sigmoid(torch.tensor(-3.0)))
    assert float(faint[faint > 0].median()) > 1.3 * before
    assert float(sure[sure > 0].median()) < 1.03 * float(torch.sigmoid(torch.tensor(3.0)))
    assert float(faint.max()) <= 1


def test_a_faint_stick_is_kept_without_the_fog_that_is_as_dense() -> None:
    """A ball of density 4, a stick below it and fog behind it of .3: no cutoff keeps one and leaves the other."""
    z, y, x = (torch.from_numpy(axis) for axis in np.mgrid[-1:1:64j, -1:1:64j, -1:1:64j])
    ball = x**2 + (y - 0.2) ** 2 + z**2 < 0.4**2
    stick = (x.abs() < 0.05) & (z.abs() < 0.05) & (y < -0.2) & (y > -0.7)
    fog = (x.abs() < 0.15) & ((y - 0.2).abs() < 0.15) & (z < -0.5)
    sigma = (4.0 * ball + 0.3 * (stick | fog)).float()
    across = ((torch.arange(64) + 0.5) / 32 - 1).abs()
    outline = (across[:, None] < 0.9) & (across < 0.6)
    view = View(Camera(0.0, 0.0), torch.ones(3, 64, 64), outline.float(), trusted=True)
    solid = outlined(sigma / (sigma + 1), voxel_centers(64, "cpu"), view) > 0.5
    assert float(solid[ball].float().mean()) > 0.95
    assert float(solid[stick].float().mean()) > 0.8
    assert not solid[fog].any()


def test_two_opinions_meet_where_both_are_undecided() -> None:
    sigma, likely = torch.tensor([0.0, 4.0, 1e6]), torch.tensor([0.0, LIKELY, 1.0])
    assert averaged(sigma, 4.0, likely, 0.5).tolist()[:2] == [0.0, 0.5]
    assert float(averaged(sigma, 4.0, likely, 0.5)[2]) > 0.9
    assert torch.equal(averaged(sigma, 4.0, likely, 0.0), sigma / (sigma + 4))


def test_the_lift_has_its_say_and_is_silenced_by_a_share_of_zero() -> None:
    """The same weights but for the lift's bias: the field follows it exactly where it is asked."""
    from core.zero123.model import build_model
    from training.starter import starter_config

    model = build_model(starter_config(), seed=1)
    cutout, views = scene()
    found = {}
    for share in (0.0, 0.5):
        params = ReconstructParams(steps=12, grid=24, score_weight=0, matter_share=share)
        for bias in (0.0, 2.0):
            with torch.no_grad():
                model.lift.conv_out.bias.add_(bias)
            found[share, bias] = reconstruct(model, cutout, views, params, 0)
            with torch.no_grad():
                model.lift.conv_out.bias.sub_(bias)
    assert (found[0.0, 0.0].density == found[0.0, 2.0].density).all()
    assert found[0.5, 2.0].density.sum() > found[0.5, 0.0].density.sum()
    assert found[0.5, 0.0].info["isovalue"] == 0.5
