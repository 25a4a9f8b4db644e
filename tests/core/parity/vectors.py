"""The mathematics on small fixed numbers: what :file:`vectors.npz` holds, computed again.

Weights and inputs come from integer arithmetic, so that they are the same everywhere and need not be stored. A topic
is a function that gives arrays by name; names that begin with ``d_`` are gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera, camera_from_eye, camera_rays, intrinsics, project, relative_pose
from tests.zero123_helpers import tiny_config

if TYPE_CHECKING:
    import torch

    Values = dict[str, torch.Tensor | NDArray[Any] | Sequence[float]]

PHOTO, TARGETS = Camera(20, 15, 1.6), (Camera(80, 30, 1.8), Camera(-140, -10, 1.5))


def uniform(seed: int, *shape: int) -> NDArray[np.float64]:
    """Numbers in [-1, 1) by splitmix64 (Steele, Lea and Flood 2014): the same on every machine."""
    count = int(np.prod(shape))
    z = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) / 2**52 - 1).reshape(shape)


def tensor(seed: int, *shape: int, grad: bool = False) -> Any:
    """float32 of unit variance."""
    import torch

    return torch.from_numpy((uniform(seed, *shape) * 3**0.5).astype(np.float32)).requires_grad_(grad)


@cache
def model() -> Any:
    """The published architecture at its smallest, with weights of integer arithmetic in every tensor."""
    import torch

    from core.zero123.model import build_model

    torch.set_num_threads(1)
    built = build_model(tiny_config(), seed=0)
    seed = 1000
    for part in built.parts.values():
        for values in part.state_dict().values():
            if values.is_floating_point():
                spread = values[0].numel() ** -0.5 if values.ndim > 1 else 0.1
                drawn = tensor(seed := seed + 1, *values.shape) if values.ndim else tensor(seed := seed + 1, 1)[0]
                values.copy_(drawn * spread + (0.5 if values.ndim == 1 else 0))
    return built


def cameras() -> Values:
    eyes = uniform(1, 6, 3) * 2
    found = [camera_from_eye(eye) for eye in eyes]
    k = intrinsics(5, 4, 40.0)
    origins, directions = camera_rays(k, TARGETS[0].camera_to_world(), 5, 4)
    return {
        "from_eye": np.array([[c.azimuth, c.elevation, c.radius] for c in found]),
        "relative_pose": np.stack([relative_pose(PHOTO, other) for other in (*found, *TARGETS)]),
        "camera_to_world": np.stack([camera.camera_to_world() for camera in TARGETS]),
        "intrinsics": k,
        "origins": origins,
        "directions": directions,
        "project": project(uniform(2, 7, 3) * 0.8, TARGETS[1], 64),
    }


def conditioning() -> Values:
    import torch

    from core.zero123.conditioning import (
        _posterior,
        clip_pixels,
        conditions,
        embed_image,
        encode_condition,
        encode_photo,
        pose_vector,
        to_images,
        to_pixels,
    )

    rgba = ((uniform(3, 48, 48, 4) + 1) * 127.99).astype(np.uint8)
    pixels = to_pixels(rgba, 32)
    with torch.no_grad():
        context, concat = conditions(model(), encode_photo(model(), pixels, PHOTO), TARGETS)
        return {
            "pixels": pixels[..., ::3, ::3],
            "pixels_by_area": to_pixels(rgba, 16)[..., ::3, ::3],
            "images": to_images(tensor(4, 1, 3, 4, 4)).astype(np.float64),
            "clip_pixels": clip_pixels(pixels, 24)[..., ::3, ::3],
            "clip_pixels_overshoot": clip_pixels(tensor(51, 1, 3, 8, 8).sign(), 24)[..., ::3, ::3],
            "embedding": embed_image(model(), pixels),
            "latent": encode_condition(model(), pixels),
            "logvar": _posterior(model(), pixels).logvar,
            "pose_radius": pose_vector(PHOTO, TARGETS[0]),
            "pose_elevation": pose_vector(PHOTO, TARGETS[0], "elevation"),
            "context": context,
            "concat": concat,
        }


def unet() -> Values:
    import torch

    from core.zero123.model import denoise

    z, t = tensor(5, 2, 4, 8, 8), torch.tensor([3, 700])
    concat = tensor(6, 2, 4, 8, 8)
    with torch.no_grad():
        return {
            "one_token": denoise(model(), z, t, tensor(7, 2, 1, 48), concat),
            "three_tokens": denoise(model(), z, t, tensor(8, 2, 3, 48), concat),
            "time_embedding": model().unet.time_proj(t),
        }


def decoder() -> Values:
    from core.zero123.conditioning import decode

    latent = tensor(9, 1, 4, 8, 8, grad=True)
    image = decode(model(), latent)
    image.square().mean().backward()
    return {"image": image.detach(), "d_latent": latent.grad}


def sampling() -> Values:
    import torch

    from core.zero123.model import Schedule
    from core.zero123.sampling import add_noise, ddim, guided_epsilon, timesteps, to_epsilon, view_seed

    schedule, spaced = model().schedule, ("original", "leading", "trailing", "linspace")
    z, context, concat = tensor(10, 2, 4, 8, 8), tensor(11, 2, 1, 48), tensor(12, 2, 4, 8, 8)
    t, noises = torch.tensor([40, 900]), tensor(13, 5, 2, 4, 8, 8)

    def sampled(spacing: Any, **more: Any) -> Any:
        visited = timesteps(schedule, 5, spacing)
        return ddim(model(), z, context, concat, visited=visited, noise=lambda i: noises[i], **more)

    with torch.no_grad():
        return {
            "timesteps": np.concatenate([timesteps(schedule, s, spacing) for spacing in spaced for s in (1, 4, 7)]),
            "alphas_cumprod": schedule.alphas_cumprod()[::37],
            "betas": schedule.betas()[::37],
            "add_noise": add_noise(schedule, z, noises[0], t),
            "epsilon_from_v": to_epsilon(Schedule(prediction="v_prediction"), z, noises[1], 0.3),
            "guided": guided_epsilon(model(), z, t, context, concat, 3.0),
            "ddim_original": sampled("original", guidance=3.0),
            "ddim_trailing_eta": sampled("trailing", guidance=3.0, eta=1.0),
            "ddim_leading_unguided": sampled("leading", guidance=1),
            "view_seed": [float(view_seed(7, index) % 2**40) for index in range(3)],
        }


def training() -> Values:
    import torch

    from core.zero123.model import denoise
    from core.zero123.sampling import add_noise

    clean, noise, t = tensor(14, 2, 4, 8, 8), tensor(15, 2, 4, 8, 8), torch.tensor([10, 800])
    context = tensor(16, 2, 1, 48, grad=True)
    eps = denoise(model(), add_noise(model().schedule, clean, noise, t), t, context, tensor(17, 2, 4, 8, 8))
    loss = (eps - noise).square().mean()
    loss.backward()
    return {"loss": loss.detach().reshape(1), "d_context": context.grad}


def score() -> Values:
    import torch

    from core.sjc.score import RELEASED_SLICE, chain, guided, perturb, sigma_table

    table = sigma_table(model().schedule.alphas_cumprod().numpy())[RELEASED_SLICE]
    image, noise, eps, other = (tensor(seed, 4, 6, 6) for seed in (18, 19, 20, 21))
    sigma = torch.tensor(0.7)
    full, reduced = (chain(image, noise, sigma, eps, reduce_variance=v) for v in (False, True))
    return {
        "sigmas": table[::31],
        "sigma_ends": [len(table), table[0], table[-1]],
        "guided": guided(eps, other, 100.0),
        "perturbed": torch.stack(perturb(image, noise, sigma)),
        "denoised": full.denoised,
        "unreduced": full.gradient,
        "reduced": reduced.gradient,
    }


def voxels(grad: bool = True) -> Any:
    import torch

    from core.sjc.field import Voxels

    return Voxels(
        tensor(22, 1, 1, 6, 5, 7, grad=grad),
        tensor(23, 1, 4, 6, 5, 7, grad=grad),
        torch.tensor(0.4, requires_grad=grad),
    )


def field() -> Values:
    from core.sjc.field import color_at, resized, sigma_at
    from core.sjc.released_mesh import smoothed_density

    still, points = voxels(grad=False), tensor(24, 20, 3) * 0.7
    eroded, threshold = smoothed_density(still)
    return {
        "sigma": sigma_at(still, points),
        "color": color_at(still, points),
        "resized": resized(still.density[..., :5, :5, :5], 8)[..., ::2, ::2, ::2],
        "eroded": eroded,
        "threshold": [threshold],
    }


def renderer() -> Values:
    import torch

    from core.sjc.renderer import box_interval, ray_weights, render, step_length

    found: Values = {"step": [step_length(voxels())], "ray_weights": ray_weights(tensor(25, 5, 3).abs())}
    for index, camera in enumerate(TARGETS):
        moved = voxels()
        rays = camera_rays(intrinsics(6, 6, 45.0), camera.camera_to_world(), 6, 6)
        origins, directions = (torch.from_numpy(a).float() for a in rays)
        seen = render(moved, origins, directions, 6, 6, tensor(26, 4, 6, 6))
        total = (seen.image * tensor(27, 4, 6, 6)).sum() + (seen.depth * tensor(28, 6, 6)).sum()
        (total + (seen.weights * tensor(29, *seen.weights.shape)).sum()).backward()
        found |= {
            f"interval{index}": torch.stack(box_interval(origins, directions)),
            f"image{index}": seen.image.detach(),
            f"depth{index}": seen.depth.detach(),
            f"weights{index}": seen.weights.detach()[::4],
        } | {
            f"d_{name}{index}": value.grad
            for name, value in zip(("density", "color", "scale"), moved.tensors(), strict=True)
        }
    return found


def losses() -> Values:
    from core.sjc import losses as formulas

    def shares(seed: int, *shape: int) -> Any:
        import torch

        return torch.from_numpy(((uniform(seed, *shape) + 1) / 2).astype(np.float32)).requires_grad_(True)

    sides = ((33, (4, 5, 5)), (34, (4, 5, 5)), (35, (5, 5)), (36, (5, 5)))
    cases: dict[str, tuple[Callable[..., Any], list[Any]]] = {
        "input_view": (formulas.input_view, [tensor(30, 1, 3, 5, 5, grad=True), tensor(31, 1, 3, 5, 5)]),
        "depth_smoothness": (formulas.depth_smoothness, [tensor(32, 5, 6, grad=True)]),
        "near_view": (formulas.near_view, [tensor(s, *shape, grad=True) for s, shape in sides]),
        "emptiness": (lambda w: formulas.emptiness(w, 0.3), [shares(37, 4, 5, 5)]),
        "emptiness_text": (formulas.emptiness_text, [shares(38, 4, 5, 5)]),
        "silhouette": (formulas.silhouette, [shares(39, 5, 5), shares(40, 5, 5)]),
        "total_variation": (formulas.total_variation, [tensor(41, 1, 2, 4, 5, 6, grad=True)]),
        "spread": (formulas.spread, [shares(42, 30), shares(43, 30), shares(44, 30)]),
    }  # fmt: skip
    found: Values = {}
    for name, (formula, arguments) in cases.items():
        loss = formula(*arguments)
        loss.backward()
        found[name] = loss.detach().reshape(1)
        found |= {f"d_{name}{i}": a.grad for i, a in enumerate(arguments) if a.grad is not None}
    return found


def prior() -> Values:
    import torch

    from core.sjc.prior import denoising_residual, predicted_eps

    judge = _prior(model())
    v_model = replace(model(), schedule=replace(model().schedule, prediction="v_prediction"))
    z = tensor(45, 2, 4, 8, 8)
    with torch.no_grad():
        return {
            "eps": predicted_eps(judge, z, 300, TARGETS, 3.0),
            "eps_from_v": predicted_eps(_prior(v_model), z, 300, TARGETS, 3.0),
            "change": denoising_residual(judge, tensor(46, 2, 3, 20, 20).sigmoid(), TARGETS, 300, z, 3.0)[
                ..., ::3, ::3
            ],
        }


def _prior(judge: Any) -> Any:
    from core.sjc.prior import Prior
    from core.zero123.conditioning import encode_photo, to_pixels

    rgba = ((uniform(47, 32, 32, 4) + 1) * 127.99).astype(np.uint8)
    return Prior(judge, encode_photo(judge, to_pixels(rgba, 32), PHOTO), judge.schedule.alphas_cumprod())


def released_step() -> Values:
    """One whole iteration of the released loop: every term, the model's score and its decoder."""
    from core.sjc.prior import predicted_eps
    from core.sjc.released import Draw, InputView, ReleasedSettings, look_at, released_gradients
    from core.zero123.conditioning import decode

    judge, moved = _prior(model()), voxels()
    eye = np.array([0.8, 0.5, 1.2])
    draw = Draw(look_at(eye, (0, 1, 0)), look_at(eye + 0.03, (0, 1, 0)), 0.9, tensor(48, 4, 8, 8))
    view = InputView(PHOTO.camera_to_world(), tensor(49, 1, 3, 32, 32).tanh())
    trace = released_gradients(
        moved,
        draw,
        view,
        intrinsics(8, 8, 49.1),
        tensor(50, 4, 8, 8),
        lambda z, sigma, pose: predicted_eps(judge, z, 250, TARGETS[:1], 100.0),
        lambda latents: decode(model(), latents),
        ReleasedSettings(emptiness_weight=50.0).at(8),
        step=3,
        steps=4,
    )
    gradients = zip(("density", "color", "scale"), moved.tensors(), strict=True)
    return {
        "losses": [trace.losses[name] for name in sorted(trace.losses)],
        "image": trace.target.image.detach(),
        "depth": trace.target.depth.detach(),
        "score": trace.score.gradient,
    } | {f"d_{name}": value.grad for name, value in gradients}


TOPICS: dict[str, Callable[[], Values]] = {
    topic.__name__: topic
    for topic in (
        cameras, conditioning, unet, decoder, sampling, training, score, field, renderer, losses, prior, released_step,
    )
}  # fmt: skip


def arrays(topic: str) -> dict[str, NDArray[Any]]:
    """A topic's numbers as arrays."""
    return {name: np.asarray(values) for name, values in TOPICS[topic]().items()}
