"""The four recorded iterations of the original loop, replayed with the tiny model (shared/parity f)."""

from __future__ import annotations

import json
from math import asin, atan2, degrees
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cameras import Camera
from core.sjc.field import Voxels
from core.sjc.prior import Prior, predicted_eps
from core.sjc.released import Draw, InputView, ReleasedSettings, Trace, look_at, released_gradients
from core.zero123.conditioning import EncodedPhoto

pytestmark = pytest.mark.shared
FORWARD, GRADIENT = 1e-5, 1e-4
NAMES = ("density", "color", "d_scale")


def close(actual: torch.Tensor, expected: np.ndarray, tolerance: float) -> None:
    worst = np.abs(actual.detach().numpy().astype(np.float64) - expected).max()
    assert worst <= tolerance * np.abs(expected).max(), f"{worst:.3g} of {np.abs(expected).max():.3g}"


def camera_of(eye: np.ndarray) -> Camera:
    """The recorded frame has Z up."""
    radius = float(np.linalg.norm(eye))
    return Camera(degrees(atan2(eye[1], eye[0])), degrees(asin(eye[2] / radius)), radius)


class Replay:
    """The recorded run and our own state of it."""

    def __init__(self, shared: Path) -> None:
        from core.zero123.conditioning import decode
        from core.zero123.ldm import load_original, settings_from_ldm_config

        parity = shared / "parity"
        folder = parity / "a_model"
        config = json.loads((folder / "config.json").read_text())["ldm_config"]
        model = load_original(folder / "tiny_zero123_ldm.safetensors", settings=settings_from_ldm_config(config))
        self.loop = np.load(parity / "f_losses/loop.npz")
        self.t = json.loads((parity / "f_losses/meta.json").read_text())["loop"]["full"]["t"]
        self.white = torch.from_numpy(np.load(parity / "e_voxrf/voxrf.npz")["white_bg_latent_32"])
        photo = torch.from_numpy(self.loop["input_image_01_hwc_u8"]).permute(2, 0, 1)[None].float() / 255 * 2 - 1
        pose = self.loop["input_c2w"].astype(np.float64)
        self.view = InputView(pose, photo.contiguous())
        clip, latent = (torch.from_numpy(self.loop[f"{name}_emb"]) for name in ("clip", "vae"))
        self.prior = Prior(
            model, EncodedPhoto(camera_of(pose[:3, 3]), clip[0], latent, None), model.schedule.alphas_cumprod()
        )
        self.decode = lambda y: decode(model, y)

    def tensors(self, prefix: str) -> list[torch.Tensor]:
        return [torch.from_numpy(np.array(self.loop[f"{prefix}.{name}"])).requires_grad_(True) for name in NAMES]

    def iterate(self, voxels: Voxels, i: int) -> Trace:
        loop = self.loop
        draw = Draw(
            loop["poses_c2w"][i],
            look_at(loop["near_eyes"][i], (0, 0, 1)),
            float(loop["sigma"][i]),
            torch.from_numpy(loop[f"step{i}.noise"]),
        )

        def eps(z: torch.Tensor, sigma: float, pose: np.ndarray) -> torch.Tensor:
            close(z * (1 + sigma**2) ** 0.5, loop["zs"][i], FORWARD)  # recorded before the U-Net's scaling
            predicted = predicted_eps(self.prior, z, self.t[i], [camera_of(pose[:3, 3])], 100.0)
            close(predicted, loop["guided_eps"][i], GRADIENT)
            return predicted

        return released_gradients(
            voxels, draw, self.view, loop["K"], self.white, eps, self.decode, ReleasedSettings(), i, 4
        )


@pytest.fixture(scope="module")
def replay(shared_dir: Path) -> Replay:
    return Replay(shared_dir)


def test_four_iterations_with_the_model_itself(replay: Replay) -> None:
    """Renders, guided noise, summed gradients and parameters after Adamax, set back to the record after each step."""
    voxels = Voxels(*replay.tensors("init"))
    optimiser = torch.optim.Adamax(voxels.tensors(), lr=ReleasedSettings().learning_rate)
    for i in range(4):
        optimiser.zero_grad(set_to_none=True)
        trace = replay.iterate(voxels, i)
        assert trace.near is not None
        assert trace.input is not None
        for name, seen in (("target", trace.target), ("near", trace.near), ("input", trace.input)):
            close(seen.image, replay.loop[f"step{i}.{name}.latent"], FORWARD)
            close(seen.depth, replay.loop[f"step{i}.{name}.depth"], FORWARD)
        assert ("smooth" in trace.losses) == (i >= 2)  # second half only
        for value, name in zip(voxels.tensors(), NAMES, strict=True):
            assert value.grad is not None
            close(value.grad, replay.loop[f"step{i}.grad.{name}"], GRADIENT)
        optimiser.step()
        with torch.no_grad():
            for value, name in zip(voxels.tensors(), NAMES, strict=True):
                close(value, replay.loop[f"step{i}.after.{name}"], GRADIENT)
                value.copy_(torch.from_numpy(np.array(replay.loop[f"step{i}.after.{name}"])))


def test_the_photo_term_alone_reaches_through_the_decoder(replay: Replay) -> None:
    loop, name = replay.loop, "rgb_plus_sjc"
    voxels = Voxels(*replay.tensors("init"))
    draw = Draw(
        loop[f"{name}.pose_c2w"],
        look_at(loop[f"{name}.near_eye"], (0, 0, 1)),
        float(loop[f"{name}.sigma"]),
        torch.from_numpy(loop[f"{name}.noise"]),
    )
    recorded = torch.from_numpy(loop[f"{name}.guided_eps"])[None]
    settings = ReleasedSettings(smooth_weight=0.0, near_weight=0.0)
    released_gradients(
        voxels, draw, replay.view, loop["K"], replay.white, lambda *_: recorded, replay.decode, settings, 0, 1
    )
    for value, key in zip(voxels.tensors(), NAMES, strict=True):
        assert value.grad is not None
        close(value.grad, loop[f"{name}.grad.{key}"], GRADIENT)


def test_regularisers_keep_their_weight_beside_the_score_at_other_latent_sizes() -> None:
    """A mean over pixels against a sum: the same picture at half the side has a quarter of the score."""
    settings = ReleasedSettings(emptiness_weight=8.0, text_emptiness_weight=8.0)
    assert settings.at(32) == settings
    half = settings.at(16)
    for name in ("view_weight", "near_weight", "smooth_weight", "emptiness_weight", "text_emptiness_weight"):
        assert getattr(half, name) == getattr(settings, name) / 4
    assert (half.guidance, half.learning_rate) == (settings.guidance, settings.learning_rate)
