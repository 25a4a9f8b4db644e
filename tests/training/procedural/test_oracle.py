"""The stand-in for a strong view model is exact: closed forms, and the same interface as a loaded model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from core.artifacts import Cutout
from core.cameras import Camera
from core.sjc.prior import predicted_eps, prior_of
from core.zero123 import make_view_set
from core.zero123.params import ViewsParams
from training.procedural.oracle import Oracle, OracleSettings, broad_mean, oracle_model, posterior_mean

SMALL = OracleSettings(pictures=6, views=2, size=16)
PHOTO = Camera(0.0, 20.0)


def shoot(cameras: list[Camera], size: int) -> torch.Tensor:
    """A disc whose grey says the azimuth, over white."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    disc = (x.square() + y.square() < 0.5).float()
    greys = torch.tensor([(camera.azimuth % 360) / 720 for camera in cameras]).view(-1, 1, 1, 1)
    return (1 - disc + disc * greys).expand(-1, 3, -1, -1).contiguous()


def cutout() -> Cutout:
    return Cutout(np.full((512, 512, 4), 200, np.uint8), (0.0, 0.0, 512.0, 512.0), "alpha")


def test_the_posterior_mean_goes_from_the_mean_to_the_nearest() -> None:
    clean = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    torch.testing.assert_close(posterior_mean(torch.tensor([0.3, 5.0]), clean, 1e-9), torch.zeros(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(posterior_mean(torch.tensor([0.3, 5.0]), clean, 1 - 1e-6), clean[0])
    # between: softmax of the two log likelihoods, by hand
    a, spread, z = 0.5**0.5, 0.5, 0.4
    odds = np.exp(-((z - a) ** 2 - (z + a) ** 2) / (2 * spread))
    expected = (odds - 1) / (odds + 1)
    assert posterior_mean(torch.tensor([z, 0.0]), clean, 0.5)[0] == pytest.approx(expected, abs=1e-6)


def test_a_broad_half_knows_nothing_in_noise_and_agrees_without_it() -> None:
    z, mean, variance = torch.tensor([0.4, -0.2]), torch.tensor([1.0, 1.0]), torch.tensor([0.5, 2.0])
    torch.testing.assert_close(broad_mean(z, mean, variance, 1 - 1e-9), z)
    torch.testing.assert_close(broad_mean(z, mean, variance, 1e-9), mean, atol=1e-3, rtol=0)
    # between: the posterior of a normal prior and a normal likelihood of sigma^2 = (1 - abar) / abar = 1, by hand
    expected = (variance * z / 0.5**0.5 + mean) / (variance + 1)
    torch.testing.assert_close(broad_mean(z, mean, variance, 0.5), expected)


def test_guidance_moves_a_clean_picture_only_where_the_halves_disagree() -> None:
    """A mixture of other cameras contradicts a picture that has no noise left; a broad half agrees with it."""
    moved = {}
    for unconditional in ("mixture", "broad"):
        settings = replace(SMALL, unconditional=unconditional)
        oracle = Oracle(shoot, settings)
        prior = prior_of(oracle_model(oracle, PHOTO), cutout(), PHOTO)
        camera = Camera(90.0, 10.0)
        picture = oracle.pictures(camera)[:1]
        abar = float(prior.alphas_cumprod[5])
        eps = predicted_eps(prior, abar**0.5 * picture, 5, [camera], 100.0)
        moved[unconditional] = float(((1 - abar) ** 0.5 * eps).abs().max())
    assert 10 * moved["broad"] < moved["mixture"], moved


def test_a_camera_always_has_the_same_pictures_and_others_contradict_them() -> None:
    one, again = Oracle(shoot, SMALL, seed=3), Oracle(shoot, SMALL, seed=3)
    torch.testing.assert_close(one.pictures(Camera(40, 10)), again.pictures(Camera(40, 10)), atol=0, rtol=0)
    assert not torch.equal(one.pictures(Camera(40, 10)), Oracle(shoot, SMALL, seed=4).pictures(Camera(40, 10)))
    assert len(one.pictures(Camera(40, 10))) == SMALL.pictures
    exact = OracleSettings(pictures=2, views=1, size=16, inconsistency=0, camera_error=0)
    torch.testing.assert_close(
        Oracle(shoot, exact).pictures(Camera(40, 10))[1], shoot([Camera(40, 10)], 16)[0] * 2 - 1, atol=1e-5, rtol=0
    )


def test_views_sampled_from_the_stand_in_are_pictures_that_it_knows() -> None:
    oracle = Oracle(shoot, SMALL, seed=1)
    model = oracle_model(oracle, PHOTO)
    views = make_view_set(model, cutout(), ViewsParams(elevation=20, steps=20, guidance=1.0), seed=5)
    for image, camera in zip(views.images, views.cameras, strict=True):
        known = oracle.pictures(Camera(round(camera.azimuth, 2), round(camera.elevation, 2)))
        shown = torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)
        nearest = (known - shown).square().mean((1, 2, 3)).min()
        assert nearest < 1e-3, "a sample of the mixture is one of its pictures"


def test_it_denoises_in_the_latents_of_an_autoencoder(tiny_autoencoder: Any) -> None:
    model = oracle_model(Oracle(shoot, SMALL), PHOTO, tiny_autoencoder)
    assert (model.image_size, model.latent_size, model.latent_channels) == (16, 8, 4)
    views = make_view_set(model, cutout(), ViewsParams(elevation=20, steps=3, guidance=2.0), seed=0)
    assert views.images.shape == (14, 16, 16, 3)


@pytest.fixture
def tiny_autoencoder() -> Any:
    from diffusers import AutoencoderKL

    from core.zero123.model import vae_config

    torch.manual_seed(0)
    config = vae_config(image_size=16, latent_channels=4, widths=(16, 32), layers=1, scaling_factor=0.5, groups=8)
    return AutoencoderKL(**config).eval()
