"""Training: the objective, the draws, the shards, and a run that is killed and continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_shards import DATA, make_shards
from zero123_helpers import relative

from core.errors import InputError
from training.dataset import open_shards
from training.rendering import DataConfig
from training.unet_config import TrainConfig

TRAIN = TrainConfig(batch=4, accumulate=2, warmup=3, ema_decay=0.9, checkpoint_seconds=0)


def small_model() -> Any:
    from core.zero123.model import Schedule, Zero123Config, build_model, clip_config, unet_config, vae_config

    config = Zero123Config(
        unet=unet_config(
            latent_size=4,
            latent_channels=4,
            widths=(16, 16),
            attention=(0, 1),
            context=16,
            heads=2,
            layers=1,
            groups=8,
        ),
        vae=vae_config(image_size=16, latent_channels=4, widths=(8, 8, 8), layers=1, scaling_factor=0.5, groups=4),
        image_encoder=clip_config(size=16, patch=8, width=16, layers=1, heads=2, projection=16),
        schedule=Schedule(prediction="v_prediction"),
    )
    return build_model(config, seed=3)


@pytest.fixture(scope="module")
def shard_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("shards"))


def train(data: Path, out: Path, steps: int, kill_at: int | None = None) -> Any:
    import torch

    from training.unet import train_unet, with_averages

    torch.set_num_threads(1)

    def progress(step: str, done: int, total: int, **figures: Any) -> None:
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    model = small_model()
    config = TRAIN.model_copy(update={"steps": steps})
    state = train_unet(model, open_shards(data), DATA, out, config, progress=progress)
    return model, with_averages(model, state), state


def test_killed_and_resumed_run_ends_with_the_weights_of_an_unbroken_one(shard_folder: Path, tmp_path: Path) -> None:
    import torch

    script = "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[3]); import test_training_views as t; "
    script += "t.train(Path(sys.argv[1]), Path(sys.argv[2]), 4, kill_at=3)"
    here = Path(__file__).parent
    killed = subprocess.run(
        [sys.executable, "-c", script, str(shard_folder), str(tmp_path / "broken"), str(here)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(here.parents[1]), str(here.parent)))},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "broken" / "unet.pt").exists()
    resumed, resumed_ema, resumed_state = train(shard_folder, tmp_path / "broken", 4)
    whole, whole_ema, whole_state = train(shard_folder, tmp_path / "whole", 4)
    assert resumed_state.history == whole_state.history
    assert [step for step, _ in whole_state.history] == [1, 2, 3, 4]
    for a, b in ((resumed, whole), (resumed_ema, whole_ema)):
        for name, part in a.parts.items():
            for key, value in part.state_dict().items():
                assert torch.equal(value, b.parts[name].state_dict()[key]), f"{name}.{key}"
    fresh = small_model().unet.state_dict()
    assert any(not torch.equal(value, fresh[key]) for key, value in whole.unet.state_dict().items())


def test_the_same_step_draws_the_same_batch_and_another_step_another(shard_folder: Path) -> None:
    import torch

    from training.objective import draw_batch

    shards, model = open_shards(shard_folder), small_model()
    first, again, other = (draw_batch(model, shards, DATA, TRAIN, step) for step in (7, 7, 8))
    assert all(torch.equal(value, vars(again)[name]) for name, value in vars(first).items())
    assert not torch.equal(first.noise, other.noise)


def test_denoising_loss_is_the_originals(shared_dir: Path) -> None:
    from safetensors.torch import load_file

    from core.zero123.ldm import load_original
    from training.objective import denoising_loss

    folder = shared_dir / "parity" / "a_model"
    from zero123_helpers import original_settings

    model = load_original(
        folder / "tiny_zero123_ldm.safetensors", settings=original_settings(shared_dir / "parity"), prefer="raw"
    )
    io = load_file(folder / "io.safetensors")
    loss = denoising_loss(model, io["train_x0"], io["train_noise"], io["t"], io["context"], io["concat"])
    assert relative(loss.detach().reshape(1), io["train_loss"]) < 1e-5


def test_v_target_of_a_perfect_prediction_is_zero_loss() -> None:
    import torch

    from core.zero123.sampling import add_noise, to_epsilon
    from training.objective import denoising_loss

    model = small_model()
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(3, 4, 4, 4, generator=generator) for _ in range(2))
    t = torch.tensor([1, 500, 999])
    abar = model.schedule.alphas_cumprod()[t].float().view(-1, 1, 1, 1)
    v = abar.sqrt() * noise - (1 - abar).sqrt() * clean

    class Perfect(torch.nn.Module):
        conv_in = model.unet.conv_in

        def forward(self, *_: Any, **__: Any) -> tuple[Any]:
            return (v,)

    from dataclasses import replace

    perfect = replace(model, unet=Perfect())
    assert float(denoising_loss(perfect, clean, noise, t, torch.zeros(3, 1, 16), clean)) < 1e-12
    # and the sampler reads the same v as the noise that was added
    assert torch.allclose(
        to_epsilon(model.schedule, v, add_noise(model.schedule, clean, noise, t), abar), noise, atol=1e-5
    )


def test_dropout_shares_are_the_references() -> None:
    import torch

    from training.objective import draw_keep

    clip, image = draw_keep(200_000, 0.05, torch.Generator().manual_seed(0))
    shares = {pair: float(((clip == pair[0]) & (image == pair[1])).float().mean()) for pair in ((0, 1), (0, 0), (1, 0))}
    assert all(abs(share - 0.05) < 0.003 for share in shares.values()), shares


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1 / 3), (0.5, 0.5)])
def test_timesteps_fall_into_the_noisiest_third_as_asked(share: float, expected: float) -> None:
    import torch

    from core.zero123.model import Schedule
    from training.objective import draw_timesteps

    t = draw_timesteps(Schedule(), 100_000, share, torch.Generator().manual_seed(0))
    assert (int(t.min()), int(t.max())) == (0, 999)
    assert float((t >= 667).float().mean()) == pytest.approx(expected, abs=0.01)


def test_pairs_are_two_views_of_one_object_with_its_relative_pose(shard_folder: Path) -> None:
    from core.cameras import Camera, relative_pose
    from training.dataset import draw_pairs, pair_cameras, pair_poses

    shards = open_shards(shard_folder)
    pairs = draw_pairs(shards, 400, DATA, np.random.default_rng(0))
    poses = pair_poses(*pair_cameras(shards, pairs))
    assert set(pairs.shard) == {0, 1}
    assert np.all(pairs.condition % 4 != pairs.target)
    for s, i, c, t, pose in zip(pairs.shard, pairs.item, pairs.condition, pairs.target, poses, strict=True):
        first, second = (Camera(*map(float, shards[s].cameras[i, view % 4])) for view in (c, t))
        assert np.allclose(pose, relative_pose(first, second), atol=1e-5)
        assert c != 0 or not shards[s].framed[i]  # a framed object's anchor is seen as a cutout


def test_framed_condition_fills_a_cutouts_frame_and_others_keep_their_scale() -> None:
    import torch

    from training.rendering import FRAME, shoot

    large = torch.zeros(2, 2, 4, 96, 96)
    large[:, :, :3] = torch.tensor([0.8, 0.2, 0.1])[:, None, None]
    large[:, :, 3, 30:78, 40:60] = 1
    images = shoot(large, np.array([True, False]), 64).numpy()
    assert images.shape == (2, 3, 64, 64, 4)

    def box(mask: Any) -> tuple[int, int, float, float]:
        y, x = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        return len(y), len(x), (y[0] + y[-1]) / 2, (x[0] + x[-1]) / 2

    height, _, middle_y, middle_x = box(images[0, -1, ..., 3] > 127)
    assert abs(height - FRAME * 64) <= 1
    assert abs(middle_y - 31.5) <= 0.5
    assert abs(middle_x - 31.5) <= 0.5
    assert box(images[1, 0, ..., 3] > 127)[0] == 32
    assert np.array_equal(images[1, 0], images[1, -1])
    assert np.abs(images[0, -1, 32, 32, :3].astype(int) - [204, 51, 26]).max() <= 1


def test_procedural_shards_repeat_bit_for_bit_and_come_whole(tmp_path: Path) -> None:
    from training.dataset import build_cache

    config = DataConfig(size=16, render_size=24, views=3, objects_per_shard=3)
    done = [build_cache(tmp_path / name, range(3), config) for name in ("a", "b")]
    assert done == [1, 1]
    a, b = (open_shards(tmp_path / name)[0] for name in ("a", "b"))
    assert np.array_equal(a.images, b.images)
    assert np.array_equal(a.cameras, b.cameras)
    assert (a.images[..., 3] > 127).any((2, 3)).all(), "every view shows its object"


def test_another_round_trains_on_other_objects_and_never_on_held_out_ones() -> None:
    from training.dataset import HELD_OUT_SEED, sources_of

    config = DataConfig(first_seed=8192, objects_per_shard=4)
    assert sources_of("procedural", 2, config)[0] == range(8192, 8200)
    with pytest.raises(InputError, match="held out"):
        sources_of("procedural", 2, DataConfig(first_seed=HELD_OUT_SEED - 7, objects_per_shard=4))


def test_views_of_a_glb_folder_show_its_texture_at_the_reference_size(tmp_path: Path) -> None:
    import trimesh
    from PIL import Image

    from training.dataset import build_cache, sources_of

    for index in range(3):
        box = trimesh.creation.box((2, 4, 2))
        uv = np.random.default_rng(index).random((len(box.vertices), 2))
        picture = Image.new("RGB", (8, 8), (200, 40, 40))
        box.visual = trimesh.visual.TextureVisuals(
            uv=uv, material=trimesh.visual.material.PBRMaterial(baseColorTexture=picture)
        )
        box.export(tmp_path / f"{index}.glb")
    config = DataConfig(size=32, render_size=48, views=3, framed_share=0.0, radius=(2.0, 2.0), moved_share=0.0)
    train_files, held = sources_of(tmp_path, 1, config)
    assert (len(train_files), len(held)) == (2, 1)
    build_cache(tmp_path / "cache", train_files, config)
    shard = open_shards(tmp_path / "cache")[0]
    seen = shard.images[shard.images[..., 3] == 255]
    assert np.all(seen[:, 0] > 2 * seen[:, 1])
    # longest side 1 at radius 2: about 32 / (2 * 2 * tan(fov / 2)) = 17.5 pixels, more where it is nearer
    low = np.abs(shard.cameras[..., 1]) < 20
    heights = (shard.images[:, :3, ..., 3] > 127).any(3).sum(2)[low]
    assert heights.size == 0 or (heights.min() >= 15 and heights.max() <= 24)


def test_image_variations_base_predicts_the_same_before_training(tmp_path: Path) -> None:
    import torch
    from diffusers import UNet2DConditionModel

    from core.zero123.model import config_of, denoise
    from training.finetune import load_base

    model = small_model()
    base = UNet2DConditionModel(**{**config_of(model).unet, "in_channels": 4})
    base.save_pretrained(tmp_path / "unet")
    model.vae.save_pretrained(tmp_path / "vae")
    model.image_encoder.save_pretrained(tmp_path / "image_encoder")
    tuned = load_base(tmp_path)
    generator = torch.Generator().manual_seed(1)
    z, concat = (torch.randn(2, 4, 4, 4, generator=generator) for _ in range(2))
    context, t = torch.randn(2, 1, 16, generator=generator), torch.tensor([3, 900])
    with torch.no_grad():
        assert torch.equal(denoise(tuned, z, t, context, concat), base(z, t, context, return_dict=False)[0])
    assert torch.equal(tuned.projection.weight[:, :16], torch.eye(16))
    assert tuned.unet.config.in_channels == 8


def test_autoencoder_starts_as_the_mean_colour_of_every_latent_pixel() -> None:
    import torch
    import torch.nn.functional as F
    from diffusers import AutoencoderKL

    from core.zero123.model import vae_config
    from training.autoencoder_initial import carry_colour

    config = vae_config(image_size=32, latent_channels=6, widths=(16, 16, 32), layers=1, scaling_factor=1.0, groups=4)
    torch.manual_seed(0)
    vae = AutoencoderKL(**config).eval().requires_grad_(False)
    carry_colour(vae)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pooled = F.avg_pool2d(images, 4)
    latents = vae.encode(images)[0].mean
    decoded = vae.decode(latents)[0]
    coarse = F.interpolate(pooled, scale_factor=4)
    for colour in range(3):
        for found, expected in ((latents[:, colour], pooled[:, colour]), (decoded[:, colour], coarse[:, colour])):
            assert float(torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1]) > 0.97
            assert 0.6 < float((found * expected).sum() / expected.square().sum()) < 1.5
