"""The numbers of the original implementation (``../shared/parity`` a to c), tensor group by tensor group."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from zero123_helpers import relative

FORWARD, GRADIENT = 1e-5, 1e-4
pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def io(parity: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(parity / "a_model" / "io.safetensors")


@pytest.fixture(scope="module")
def clip(parity: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(parity / "c_clip" / "clip.safetensors")


@pytest.fixture(scope="module")
def ddim_data(parity: Path) -> Any:
    from safetensors.torch import load_file

    meta = json.loads((parity / "b_ddim" / "meta.json").read_text())
    return load_file(parity / "b_ddim" / "ddim.safetensors"), meta


def unet(model: Any, io: Any, context: str = "context") -> Any:
    import torch

    from core.zero123.model import denoise

    with torch.no_grad():
        return denoise(model, io["x_noisy"], io["t"], io[context], io["concat"])


def test_unet_with_ema_weights(reference: Any, io: Any) -> None:
    assert relative(unet(reference, io), io["eps_ema"]) < FORWARD


def test_unet_with_raw_weights(reference_raw: Any, io: Any) -> None:
    assert relative(unet(reference_raw, io), io["eps_raw"]) < FORWARD


def test_unet_with_three_tokens_so_that_queries_and_keys_matter(reference_raw: Any, io: Any) -> None:
    assert relative(unet(reference_raw, io, "context3"), io["eps_raw_context3"]) < FORWARD


def test_unet_unconditional_is_zeros_after_the_projection(reference: Any, io: Any) -> None:
    import torch

    from core.zero123.model import denoise
    from core.zero123.sampling import with_null

    contexts, concats = with_null(io["context"], io["concat"])
    with torch.no_grad():
        both = denoise(reference, io["x_noisy"].repeat(2, 1, 1, 1), io["t"].repeat(2), contexts, concats)
    assert relative(both[:2], io["eps_ema_uncond"]) < FORWARD
    assert relative(both[2:], io["eps_ema"]) < FORWARD


def test_unet_with_the_single_token_short_cut(parity: Path, io: Any) -> None:
    from zero123_helpers import original_settings

    from core.zero123.attention import use_single_token_shortcut
    from core.zero123.ldm import load_original

    path = parity / "a_model" / "tiny_zero123_ldm.safetensors"
    model = load_original(path, settings=original_settings(parity))
    use_single_token_shortcut(model)
    assert relative(unet(model, io), io["eps_ema"]) < FORWARD


def test_timestep_embedding(reference: Any, io: Any) -> None:
    assert relative(reference.unet.time_proj(io["t"]), io["timestep_embedding_dim32"]) < FORWARD


def test_vae_posterior(reference: Any, io: Any) -> None:
    from core.zero123.conditioning import _posterior, encode_condition

    posterior = _posterior(reference, io["vae_image"])
    assert relative(encode_condition(reference, io["vae_image"]), io["vae_mode"]) < FORWARD
    assert relative(posterior.logvar, io["vae_logvar"]) < FORWARD
    assert relative(posterior.std, io["vae_std"]) < FORWARD
    assert relative(posterior.mode() * reference.scaling_factor, io["vae_scaled_mode"]) < FORWARD


def test_targets_are_scaled_posterior_samples(reference: Any, io: Any) -> None:
    import torch

    from core.zero123.conditioning import encode_target

    found = encode_target(reference, io["vae_image"], torch.Generator().manual_seed(5))
    noise = torch.randn(io["vae_mode"].shape, generator=torch.Generator().manual_seed(5))
    assert relative(found, 0.18215 * (io["vae_mode"] + io["vae_std"] * noise)) < FORWARD


def test_vae_decode_and_its_gradient(reference: Any, io: Any) -> None:
    from core.zero123.conditioning import decode

    latent = io["vae_decode_in_scaled"].clone().requires_grad_()
    image = decode(reference, latent)
    assert relative(image.detach(), io["vae_decode_out"]) < FORWARD
    loss = ((image - io["vae_image"]) ** 2).mean()
    loss.backward()
    assert relative(loss.detach().reshape(1), io["vae_decode_mse_loss"]) < FORWARD
    assert relative(latent.grad, io["vae_decode_mse_grad_latent"]) < GRADIENT


def test_posed_clip_projection(reference: Any, io: Any) -> None:
    from core.zero123.conditioning import posed_clip

    found = posed_clip(reference, io["cc_clip"][:, 0], io["cc_T"][:, 0])
    assert relative(found, io["cc_out"]) < FORWARD


def test_projection_starts_as_the_original_one(parity: Path) -> None:
    import torch
    from zero123_helpers import tiny_config

    from core.zero123.model import build_model

    facts = json.loads((parity / "a_model" / "config.json").read_text())["real_cc_projection_init"]
    weight = build_model(tiny_config(), seed=3).projection.weight
    clip = weight.shape[1] - 4
    assert facts["left_block_is_identity"]
    assert torch.equal(weight[:, :clip], torch.eye(clip))
    bound = weight.shape[1] ** -0.5
    assert 0.9 * bound < float(weight[:, clip:].abs().max()) <= bound
    assert facts["pose_cols_uniform_bound_1_over_sqrt_772"] == pytest.approx(772**-0.5)


def test_q_sample_and_training_loss(reference_raw: Any, io: Any) -> None:
    import torch

    from core.zero123.model import denoise
    from core.zero123.sampling import add_noise

    noisy = add_noise(reference_raw.schedule, io["train_x0"], io["train_noise"], io["t"])
    assert relative(noisy, io["train_x_t"]) < FORWARD
    with torch.no_grad():
        eps = denoise(reference_raw, noisy, io["t"], io["context"], io["concat"])
    loss = ((eps - io["train_noise"]) ** 2).mean().reshape(1)
    assert relative(loss, io["train_loss"]) < FORWARD


def test_schedule(reference: Any, io: Any) -> None:
    assert relative(reference.schedule.betas(), io["betas"]) < FORWARD
    assert relative(reference.schedule.alphas_cumprod(), io["alphas_cumprod"]) < FORWARD


def test_clip_preprocessing_overshoots_as_the_original(clip: Any) -> None:
    from core.zero123.conditioning import clip_pixels, to_pixels

    pixels = clip_pixels(to_pixels(clip["image_u8_hwc"].numpy(), 256))
    assert relative(pixels, clip["clip_pixels"]) < FORWARD


def test_clip_embedding_condition_latent_and_context_of_an_image(reference: Any, clip: Any) -> None:
    import torch

    from core.zero123.conditioning import embed_image, encode_condition, posed_clip, to_pixels

    pixels = to_pixels(clip["image_u8_hwc"].numpy(), 256)
    with torch.no_grad():
        embedding = embed_image(reference, pixels)
        assert relative(embedding[None], clip["clip_embed"]) < FORWARD
        assert relative(posed_clip(reference, embedding, clip["T"][:, 0]), clip["cross_context"]) < FORWARD
        found = encode_condition(reference, pixels)
    assert float((found - clip["vae_mode_256"]).abs().max()) < 2e-5


@pytest.mark.parametrize("run", ["eta0_orig", "eta0_all_steps", "eta0_scale1", "eta1_orig"])
def test_guided_ddim_trajectory(reference: Any, ddim_data: Any, run: str) -> None:
    import torch

    from core.zero123.conditioning import decode, posed_clip
    from core.zero123.sampling import ddim, timesteps

    data, meta = ddim_data[0], ddim_data[1][run]
    spacing = "leading" if run == "eta0_all_steps" else "original"
    visited = timesteps(reference.schedule, meta["S"], spacing)
    assert visited == meta["timesteps_visited"]
    steps: list[Any] = []
    clean: list[Any] = []

    def watch(_: int, z: Any, x0: Any) -> None:
        steps.append(z)
        clean.append(x0)

    with torch.no_grad():
        context = posed_clip(reference, data["clip_emb"][:, 0], data["T"][:, 0])
    final = ddim(
        reference,
        data["x_T"],
        context,
        data["concat"],
        visited=visited,
        guidance=meta["guidance_scale"],
        eta=meta["eta"],
        noise=lambda i: data["eta1_noises"][i],
        watch=watch,
    )
    assert relative(torch.stack(steps), data[f"{run}.x_steps"]) < FORWARD
    assert relative(torch.stack(clean), data[f"{run}.pred_x0_steps"]) < FORWARD
    assert relative(final, data[f"{run}.final_latent"]) < FORWARD
    with torch.no_grad():
        image = ((decode(reference, final) + 1) / 2).clamp(0, 1)
    assert relative(image, data[f"{run}.decoded_01"]) < FORWARD


def test_original_timestep_lists(reference: Any, ddim_data: Any) -> None:
    from core.zero123.sampling import timesteps

    for steps, said in ddim_data[1]["timestep_lists"].items():
        visited = timesteps(reference.schedule, int(steps), "original")
        assert (len(visited), visited[0], visited[-1]) == (said["used"], said["highest_used"], said["first"])
