"""A test double of a strong view model: the exact denoiser of pictures that are known, behind the interface of a loaded
model, so that the whole line (views, score, reconstruction) runs with it.

For every camera there is a set of pictures of the object that contradict each other a little, as a generative model's
do; the denoiser is the exact posterior mean over that set:
``E[x | z_t] = sum_k softmax_k(-|z_t - a x_k|^2 / 2 s^2) x_k`` with ``a = sqrt(abar)``, ``s^2 = 1 - abar`` (Tweedie's
formula for a mixture of points). Nothing is learnt; everything follows from a seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import atan2, degrees
from types import SimpleNamespace
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from core.cameras import Camera
from core.zero123.model import POSE_SIZE, Schedule, Zero123

FLOOR = 0.05
"""Variance of a broad unconditional half where all pictures agree: no trained model is sure of a pixel."""

REMEMBERED = 64
"""Cameras whose latents are kept: sampling comes back to a camera at every step, the score never."""

Shoot = Callable[[list[Camera], int], Tensor]
"""``(cameras, size) -> (V, 3, size, size)`` in 0..1 over white: the true pictures of the object."""


@dataclass(frozen=True)
class OracleSettings:
    """How good the double is."""

    pictures: int = 45
    """Contradicting pictures a camera."""
    inconsistency: float = 1.0
    """Scale of their distortions: at 1, stretched by 6 %, sheared by 4 %, shifted by 3 % of half a frame (sigma)."""
    camera_error: float = 6.0
    """Sigma of the angle by which a picture is taken from beside its camera, degrees."""
    views: int = 5
    """Cameras beside each camera; the pictures are distortions of what these see."""
    blur: float = 0.0
    """Sigma of a Gaussian over every picture, pixels."""
    size: int = 64
    """Pixels along one side."""
    unconditional: Literal["mixture", "broad"] = "mixture"
    """What the half without a camera knows: pictures from 24 cameras and nothing between them, or their mean and
    variance value by value. A trained model's halves agree more the less noise there is, as `broad` ones do; those of a
    mixture never do, and guidance of 100 then drives every value past all pictures."""


class Pictures(Protocol):
    """What an oracle knows of one object."""

    @property
    def settings(self) -> OracleSettings: ...

    @property
    def seed(self) -> int: ...

    def pictures(self, camera: Camera) -> Tensor:
        """``(K, 3, S, S)`` in [-1, 1], each as likely to be what ``camera`` sees; the same at every call."""


@dataclass(frozen=True)
class Oracle:
    """The pictures of one object, by camera."""

    shoot: Shoot
    settings: OracleSettings = OracleSettings()
    seed: int = 0

    def pictures(self, camera: Camera) -> Tensor:
        """``(pictures, 3, S, S)`` in [-1, 1], the same for the same camera; other cameras contradict them."""
        s = self.settings
        key = tuple(round(value, 2) for value in (camera.azimuth % 360, camera.elevation, camera.radius))
        digest = hashlib.sha256(repr((self.seed, key)).encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        turns = torch.randn((s.views, 2), generator=generator) * s.camera_error
        beside = [
            Camera(camera.azimuth + a, max(-85.0, min(85.0, camera.elevation + e)), camera.radius, camera.fov)
            for a, e in turns.tolist()
        ]
        seen = self.shoot(beside, s.size)
        chosen = seen[torch.arange(s.pictures) % s.views]
        return _distorted(chosen, s, generator) * 2 - 1


def _distorted(images: Tensor, settings: OracleSettings, generator: torch.Generator) -> Tensor:
    """Every picture ``(K, 3, S, S)`` stretched, sheared, shifted and blurred by draws of its own."""
    count = len(images)
    draws = torch.randn((count, 6), generator=generator) * settings.inconsistency
    affine = torch.zeros((count, 2, 3))
    affine[:, 0, 0], affine[:, 1, 1] = 1 + 0.06 * draws[:, 0], 1 + 0.06 * draws[:, 1]
    affine[:, 0, 1], affine[:, 1, 0] = 0.04 * draws[:, 2], 0.04 * draws[:, 3]
    affine[:, :, 2] = 0.03 * draws[:, 4:]
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    moved = 1 - F.grid_sample(1 - images, grid, align_corners=False, padding_mode="zeros")
    if settings.blur <= 0:
        return moved
    reach = max(1, round(3 * settings.blur))
    line = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * settings.blur**2))
    line = (line / line.sum()).view(1, 1, -1, 1).expand(3, 1, -1, 1)
    padded = F.pad(moved, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, line, groups=3), line.transpose(2, 3), groups=3)


def posterior_mean(z_t: Tensor, clean: Tensor, abar: float) -> Tensor:
    """``E[x | z_t]`` where x is one of ``clean (K, D)``, each as likely; ``z_t (D,)`` variance preserving."""
    distance = (z_t - abar**0.5 * clean).square().sum(1) / (2 * max(1 - abar, 1e-12))
    mean: Tensor = torch.softmax(-distance.double(), 0).to(clean.dtype) @ clean
    return mean


def broad_mean(z_t: Tensor, mean: Tensor, variance: Tensor, abar: float) -> Tensor:
    """``E[x | z_t]`` where every value of x is normal on its own: shrunk towards ``mean`` by the share of noise."""
    noise = (1 - abar) / abar
    shrunk: Tensor = (variance * z_t / abar**0.5 + noise * mean) / (variance + noise)
    return shrunk


def oracle_model(oracle: Pictures, condition: Camera, autoencoder: Any = None, name: str = "oracle") -> Zero123:
    """The oracle as a model that saw the photo from ``condition``.

    Without ``autoencoder`` its latents are the pixels themselves; with one (an ``AutoencoderKL``, for example the
    starter's) it denoises in that one's latents. The unconditional half knows the object from anywhere, not from where:
    so guidance sharpens the camera, as it does for trained models.
    """
    vae = PixelAutoencoder() if autoencoder is None else autoencoder
    projection = torch.nn.Linear(1 + POSE_SIZE, 1 + POSE_SIZE, bias=False)
    with torch.no_grad():
        projection.weight.copy_(torch.eye(1 + POSE_SIZE))
    schedule = Schedule()
    shrink = 2 ** (len(vae.config.block_out_channels) - 1)
    unet = OracleDenoiser(oracle, condition, schedule, vae, oracle.settings.size // shrink)
    for part in (vae, projection, unet):
        part.eval().requires_grad_(False)
    settings = vars(oracle.settings) | {"seed": oracle.seed}
    return Zero123(unet, vae, NoEmbedding(), projection, schedule=schedule, name=name, info={"weights": str(settings)})


class OracleDenoiser(torch.nn.Module):
    """The U-Net's place: reads the target's camera off the context, answers with the noise of the posterior mean."""

    def __init__(self, oracle: Pictures, condition: Camera, schedule: Schedule, vae: Any, latent_size: int) -> None:
        super().__init__()
        self.oracle, self.condition, self.vae = oracle, condition, vae
        channels = int(vae.config.latent_channels)
        self.config = SimpleNamespace(sample_size=latent_size, in_channels=2 * channels, out_channels=channels)
        self.conv_in = torch.nn.Conv2d(1, 1, 1)
        self.abar = schedule.alphas_cumprod()
        self.channels = channels
        self._latents = lru_cache(maxsize=REMEMBERED)(self._encoded)

    def forward(self, sample: Tensor, t: Tensor | int, context: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """``sample (B, 2 C, s, s)``, ``context (B, 1, 1 + 4)``: noise ``(B, C, s, s)``."""
        z = sample[:, : self.channels]
        steps = torch.as_tensor(t).expand(len(z)).tolist()
        return (torch.stack([self._noise(*row) for row in zip(z, steps, context[:, 0], strict=True)]),)

    def _noise(self, z: Tensor, t: int, told: Tensor) -> Tensor:
        abar = float(self.abar[int(t)])
        known = bool(told.any())
        clean = self._latents(self._target(told.tolist()) if known else None)
        if known or self.oracle.settings.unconditional == "mixture":
            mean = posterior_mean(z.flatten(), clean, abar).view_as(z)
        else:
            mean = broad_mean(z.flatten(), clean.mean(0), clean.var(0) + FLOOR, abar).view_as(z)
        noise: Tensor = (z - abar**0.5 * mean) / (1 - abar) ** 0.5
        return noise

    def _target(self, told: list[float]) -> Camera:
        """The camera of ``[clip, polar, sin, cos, radius]`` relative to the condition."""
        _, polar, sine, cosine, radius = told
        azimuth = self.condition.azimuth + degrees(atan2(sine, cosine))
        elevation = self.condition.elevation - degrees(polar)
        return Camera(
            round(azimuth, 2), round(elevation, 2), round(self.condition.radius + radius, 3), self.condition.fov
        )

    def _encoded(self, camera: Camera | None) -> Tensor:
        """Latents ``(K, D)`` of a camera's pictures; of cameras from anywhere for None."""
        if camera is None:
            around = [Camera(137.5 * i % 360, -15.0 + 60 * i / 23, self.condition.radius) for i in range(24)]
            images = torch.cat([self.oracle.pictures(camera)[:1] for camera in around])
        else:
            images = self.oracle.pictures(camera)
        latents = self.vae.encode(images, return_dict=False)[0].mode() * float(self.vae.config.scaling_factor)
        flat: Tensor = torch.as_tensor(latents).flatten(1)
        return flat


class PixelAutoencoder(torch.nn.Module):
    """Latents that are pixels: encoder and decoder change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(latent_channels=3, scaling_factor=1.0, block_out_channels=(1,))
        self.dtype = torch.float32

    def encode(self, images: Tensor, return_dict: bool = False) -> tuple[Any]:
        """A posterior that is a point."""
        return (SimpleNamespace(mode=lambda: images, sample=lambda generator=None: images),)

    def decode(self, latents: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        return (latents,)


class NoEmbedding(torch.nn.Module):
    """CLIP's place: the oracle knows its object and needs no description."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(image_size=16, projection_dim=1)
        self.dtype = torch.float32

    def forward(self, pixel_values: Tensor) -> Any:
        return SimpleNamespace(image_embeds=pixel_values.new_zeros(len(pixel_values), 1))
