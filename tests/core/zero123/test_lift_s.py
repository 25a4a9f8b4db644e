"""Lift-S: its axes, its checkpoint, and its place in the line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from zero123_helpers import tiny_config

from core.artifacts import Cutout
from core.cameras import Camera
from core.errors import CheckpointError
from core.zero123.conditioning import cutout_pixels, encode_photo
from core.zero123.lift import LIFTED_CHANNELS, lift, lift_net, lift_s_config
from core.zero123.lift_s import DEPTH, SIZE, LiftS, cutout_of, predicted_elevation

SMALL = lift_s_config(width=48, layers=1, heads=2, registers=2)


def small(**changes: Any) -> LiftS:
    torch.manual_seed(0)
    net: LiftS = lift_net(SMALL | changes)
    return net.eval().requires_grad_(False)


def told(net: LiftS, cutout: torch.Tensor, elevation: float = 20.0, known: bool = True) -> Any:
    count = len(cutout)
    return net(cutout, torch.full((count,), elevation), torch.full((count,), known), torch.zeros(count, 2))


def test_a_patch_decides_on_its_own_columns() -> None:
    """Without attention, what lies in patch row 3, column 10 changes the volume behind it and nothing else."""
    net = small(layers=0)
    before = torch.zeros(1, 4, SIZE, SIZE)
    after = before.clone()
    after[..., 3 * 8 : 4 * 8, 10 * 8 : 11 * 8] = 1
    density, colour, _ = (a - b for a, b in zip(told(net, after), told(net, before), strict=True))
    assert density.shape == (1, 1, DEPTH, DEPTH, DEPTH)
    assert colour.shape == (1, 4, DEPTH // 2, DEPTH // 2, DEPTH // 2)
    for change, cells in ((density[0], 4), (colour[0], 2)):
        moved = change.abs().amax((0, 1)) > 0
        expected = torch.zeros_like(moved)
        expected[3 * cells : 4 * cells, 10 * cells : 11 * cells] = True
        assert (moved == expected).all()


def test_a_fresh_net_is_nearly_empty_and_takes_the_photos_colours() -> None:
    volume = lift(small(), torch.rand(1, 3, 64, 64) * 2 - 1, torch.tensor([20.0]))
    assert torch.sigmoid(volume.density).mean() < 0.2
    share = torch.sigmoid(volume.colour).mean((0, 2, 3, 4))
    assert share[3] > 0.65
    assert share[:3].max() < 0.6


def test_the_elevation_counts_only_where_it_is_known() -> None:
    net, cutout = small(), torch.rand(1, 4, SIZE, SIZE)
    assert not torch.equal(told(net, cutout, 0.0)[0], told(net, cutout, 60.0)[0])
    assert torch.equal(told(net, cutout, 0.0, known=False)[0], told(net, cutout, 60.0, known=False)[0])
    assert predicted_elevation(net, cutout)[0] == pytest.approx(20.0)
    net.elevation.bias.copy_(torch.tensor([-0.1, np.log(5 / 90)]))
    degrees, confidence = predicted_elevation(net, cutout)
    assert degrees == pytest.approx(-9.0)
    assert confidence == pytest.approx(1 - np.exp(-2))  # a Laplace distribution of scale 5 degrees, within 10


def test_it_sees_alpha_or_what_differs_from_white() -> None:
    rgba = np.full((512, 512, 4), 255, np.uint8)
    rgba[..., 3] = 0
    rgba[128:384, 128:384] = (255, 255, 255, 255)  # white on white: only alpha knows
    rgba[192:320, 192:320, :3] = (30, 80, 200)
    cutout = cutout_of(cutout_pixels(rgba))
    assert cutout.shape == (1, 4, SIZE, SIZE)
    assert float((cutout[0, 3] > 0).float().mean()) == pytest.approx(1 / 4)
    blind = cutout_of(cutout_pixels(rgba[..., :3]))
    assert float((blind[0, 3] > 0).float().mean()) == pytest.approx(1 / 16)


def lifted_config() -> Any:
    from core.zero123.model import unet_config

    unet = unet_config(
        latent_size=8, latent_channels=4, widths=(32, 64), attention=(1, 0), context=48, heads=4, lifted=LIFTED_CHANNELS
    )
    return replace(tiny_config(unet=unet), lift=SMALL)


def test_a_checkpoint_keeps_it(tmp_path: Path) -> None:
    from core.zero123 import load_model
    from core.zero123.checkpoints import save_pretrained
    from core.zero123.model import build_model

    model = build_model(lifted_config(), seed=1)
    again = load_model(save_pretrained(model, tmp_path / "model"))
    assert isinstance(again.lift, LiftS)
    images = torch.rand(1, 4, SIZE, SIZE)
    first, second = (lift(m.lift, images, torch.tensor([10.0])).density for m in (model, again))
    assert torch.equal(first, second)
    config = tmp_path / "model" / "lift" / "config.json"
    config.write_text(config.read_text().replace('"heads"', '"hands"'))
    with pytest.raises(CheckpointError, match="LiftS has width"):
        load_model(tmp_path / "model")


def test_the_line_shows_it_the_cutout_and_asks_it_for_the_elevation(cutout: Cutout) -> None:
    from core.zero123.model import build_model
    from core.zero123.params import ViewsParams
    from core.zero123.views import make_view_set, photo_elevation

    model = build_model(lifted_config(), seed=1)
    model.lift.elevation.bias.copy_(torch.tensor([0.4, -3.0]))
    degrees, found = photo_elevation(model, cutout, ViewsParams(), 0)
    assert degrees == pytest.approx(36.0)
    assert found.source == "predicted"
    assert photo_elevation(model, cutout, ViewsParams(elevation=5.0), 0)[0] == 5.0
    pixels = torch.ones(1, 3, 32, 32)  # what the U-Net sees plays no part in what the lift sees
    volume = encode_photo(model, pixels, Camera(0.0, degrees), cutout.rgba).volume
    assert volume is not None
    assert volume.image.shape == (1, 3, SIZE, SIZE)
    views = make_view_set(model, cutout, ViewsParams(steps=1), 0)
    assert views.condition.elevation == pytest.approx(36.0)
