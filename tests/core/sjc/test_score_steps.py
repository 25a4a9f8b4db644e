"""Both presets with a whole (tiny, random) model: from rendered picture to gradient, and exact continuation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sjc_scenes import scene

from core.cameras import Camera
from core.sjc import reconstruct, runner
from core.sjc.params import ReconstructParams
from core.sjc.prior import critic_of, predicted_eps, prior_of


@pytest.fixture(scope="module")
def model() -> Any:
    from core.zero123.model import Zero123Config, build_model, clip_config, unet_config, vae_config

    widths = {"widths": (16, 32), "groups": 8}
    return build_model(
        Zero123Config(
            unet=unet_config(
                latent_size=8, latent_channels=4, attention=(1, 0), context=16, heads=2, layers=1, **widths
            ),
            vae=vae_config(image_size=16, latent_channels=4, layers=1, scaling_factor=0.5, **widths),
            image_encoder=clip_config(size=16, patch=8, width=16, layers=1, heads=2, projection=16),
            name="tiny",
        ),
        seed=3,
    )


class Killed(Exception):
    """Stands for a kill between two steps."""


def stopped_at(step: int) -> Any:
    def listen(name: str, done: int, total: int, **figures: Any) -> None:
        if done == step:
            raise Killed

    return listen


@pytest.mark.parametrize(
    "params",
    [
        ReconstructParams(grid=24, steps=12, rays=1024, score_from=0, score_every=2, score_cameras=2),
        ReconstructParams(preset="released", grid=16, steps=6),
    ],
    ids=["fast", "released"],
)
def test_a_run_with_the_model_continues_exactly(
    model: Any, params: ReconstructParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = scene(size=16, views=6)
    heard: list[dict[str, Any]] = []
    whole = reconstruct(model, *inputs, params, 5, progress=lambda name, done, total, **figures: heard.append(figures))
    assert all("score" in figures for figures in heard[:: params.score_every if params.preset == "fast" else 1])
    assert np.isfinite(whole.density).all()
    assert (whole.color is None) == (params.preset == "released")
    assert 0 < whole.info["isovalue"] < whole.density.max()
    monkeypatch.setattr(runner, "CHECKPOINT_SECONDS", -1.0)
    path = tmp_path / "run.ckpt"
    with pytest.raises(Killed):
        reconstruct(model, *inputs, params, 5, checkpoint_path=path, progress=stopped_at(5))
    again = reconstruct(model, *inputs, params, 5, checkpoint_path=path)
    assert again.to_bytes() == whole.to_bytes()


def test_the_critic_is_the_denoised_picture_minus_the_round_trip(model: Any) -> None:
    """At one noise level, by hand: encode, add the generator's noise, guide, denoise, decode both."""
    from core.zero123.conditioning import decode, encode_condition

    cutout, views = scene(size=16, views=2)
    prior = prior_of(model, cutout, views.condition)
    image, cameras = torch.rand(1, 3, 16, 16), [Camera(70.0, 5.0)]
    change = critic_of(prior, 2.0).change(image, cameras, 0.5, torch.Generator().manual_seed(4))
    noise = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        latent = encode_condition(model, image * 2 - 1) * model.scaling_factor
        abar = float(prior.alphas_cumprod[499])
        z = abar**0.5 * latent + (1 - abar) ** 0.5 * noise
        denoised = (z - (1 - abar) ** 0.5 * predicted_eps(prior, z, 499, cameras, 2.0)) / abar**0.5
        expected = (decode(model, denoised) - decode(model, latent)) / 2
    torch.testing.assert_close(change, expected, atol=1e-5, rtol=1e-4)
