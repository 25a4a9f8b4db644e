"""Timesteps beside diffusers, v-prediction, guidance, the single-token short cut."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from zero123_helpers import relative, scramble, tiny_config

from core.zero123.model import Schedule
from core.zero123.sampling import add_noise, ddim, ddim_step, seeded_noise, timesteps, to_epsilon, view_seed


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [1, 2, 10, 20, 30, 50, 75])
def test_spacings_visit_what_diffusers_visits(spacing: Any, steps: int) -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(timestep_spacing=spacing, steps_offset=1, set_alpha_to_one=False)
    scheduler.set_timesteps(steps)
    expected = scheduler.timesteps.tolist()
    assert timesteps(Schedule(), steps, spacing) == ([999] if (spacing, steps) == ("linspace", 1) else expected)


@pytest.mark.parametrize("spacing", ["original", "leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 333, 500, 999])
def test_timesteps_fall_strictly_and_stay_inside(spacing: Any, steps: int) -> None:
    visited = timesteps(Schedule(), steps, spacing)
    assert all(a > b for a, b in pairwise(visited))
    assert visited[0] <= 999
    assert visited[-1] >= 0


def test_the_original_list_drops_the_largest_timestep() -> None:
    visited = timesteps(Schedule(), 50, "original")
    assert (len(visited), visited[0], visited[-1]) == (49, 961, 1)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_steps_equal_diffusers_for_both_predictions(eta: float, prediction: Any) -> None:
    import torch
    from diffusers import DDIMScheduler

    schedule = Schedule(prediction=prediction)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type=prediction, timestep_spacing="leading",
    )  # fmt: skip
    scheduler.set_timesteps(10)
    generator = torch.Generator().manual_seed(0)
    z, out, noise = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(3))
    alphas = schedule.alphas_cumprod()
    alpha, before = float(alphas[501]), float(alphas[401])
    found, clean = ddim_step(z, to_epsilon(schedule, out, z, alpha), alpha, before, eta, noise)
    expected = scheduler.step(out, 501, z, eta=eta, variance_noise=noise)
    assert relative(found, expected.prev_sample) < 1e-5
    assert relative(clean, expected.pred_original_sample) < 1e-5


def test_v_and_epsilon_say_the_same_noise() -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    clean, eps = (torch.randn(3, 4, 8, 8, generator=generator) for _ in range(2))
    schedule = Schedule(prediction="v_prediction")
    t = torch.tensor([1, 400, 999])
    alpha = schedule.alphas_cumprod()[t].float().view(-1, 1, 1, 1)
    v = alpha.sqrt() * eps - (1 - alpha).sqrt() * clean
    assert relative(to_epsilon(schedule, v, add_noise(schedule, clean, eps, t), alpha), eps) < 1e-5


class Oracle:
    """Knows the clean latents: predicts exactly the noise that is in the input."""

    def __init__(self, clean: Any, schedule: Schedule) -> None:
        self.clean, self.schedule = clean, schedule
        self.dtype, self.calls = clean.dtype, 0

    def unet(self, sample: Any, t: Any, context: Any, return_dict: bool) -> tuple[Any]:
        self.calls += sample.shape[0]
        alpha = float(self.schedule.alphas_cumprod()[t])
        clean = self.clean.repeat(sample.shape[0] // self.clean.shape[0], 1, 1, 1)
        eps = (sample[:, :4] - alpha**0.5 * clean) / (1 - alpha) ** 0.5
        v = alpha**0.5 * eps - (1 - alpha) ** 0.5 * clean
        return (eps if self.schedule.prediction == "epsilon" else v,)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("spacing", ["original", "trailing"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_perfect_model_is_sampled_exactly(prediction: Any, spacing: Any, eta: float) -> None:
    """Closed form: what remains is the noise of timestep 0, where the original's schedule ends."""
    import torch

    generator = torch.Generator().manual_seed(0)
    clean, start = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    schedule = Schedule(prediction=prediction)
    oracle: Any = Oracle(clean, schedule)
    visited = timesteps(schedule, 10, spacing)
    predicted: list[Any] = []
    ddim(
        oracle, start, torch.zeros(2, 1, 8), clean, visited=visited, guidance=3.0, eta=eta,
        noise=lambda _: torch.randn(clean.shape, generator=generator), watch=lambda *a: predicted.append(a[2]),
    )  # fmt: skip
    assert relative(predicted[-1], clean) < 1e-4


def test_guidance_one_runs_half_the_network() -> None:
    import torch

    clean = torch.zeros(2, 4, 8, 8)
    for guidance, expected in ((1.0, 2), (3.0, 4)):
        oracle: Any = Oracle(clean, Schedule())
        ddim(oracle, clean, torch.zeros(2, 1, 8), clean, visited=[500], guidance=guidance)
        assert oracle.calls == expected


def test_noise_without_a_source_is_an_error(tiny: Any) -> None:
    import torch

    with pytest.raises(ValueError, match="needs a source of noise"):
        ddim(tiny, torch.zeros(1), torch.zeros(1), torch.zeros(1), visited=[1], guidance=1.0, eta=0.5)


def test_seeds_are_one_a_view_and_independent_of_company(tiny: Any) -> None:
    import torch

    seeds = [view_seed(7, i) for i in range(4)]
    assert len(set(seeds)) == 4
    start, draw = seeded_noise(tiny, seeds)
    step = draw(0)
    alone, draw_alone = seeded_noise(tiny, seeds[2:3])
    assert torch.equal(start[2:3], alone)
    assert torch.equal(step[2:3], draw_alone(0))
    assert not torch.equal(start[0], start[1])


def test_the_short_cut_changes_nothing_but_time(tiny: Any) -> None:
    import torch

    from core.zero123.attention import use_single_token_shortcut
    from core.zero123.model import build_model, denoise

    model = scramble(build_model(tiny_config(), seed=1), seed=2)
    use_single_token_shortcut(model)
    use_single_token_shortcut(tiny, on=False)
    generator = torch.Generator().manual_seed(3)
    z, concat = (torch.randn(3, 4, 8, 8, generator=generator) for _ in range(2))
    context = torch.randn(3, 1, 48, generator=generator)
    for tokens in (1, 3):
        for t in (5, 800):
            words = context.expand(3, tokens, 48) if tokens == 1 else torch.randn(3, tokens, 48, generator=generator)
            with torch.no_grad():
                assert relative(denoise(model, z, t, words, concat), denoise(tiny, z, t, words, concat)) < 1e-5
    use_single_token_shortcut(model, on=False)
    with torch.no_grad():
        assert torch.equal(denoise(model, z, 5, context, concat), denoise(tiny, z, 5, context, concat))


def test_the_short_cut_forgets_when_weights_or_poses_change(tiny: Any) -> None:
    import torch

    from core.zero123.attention import use_single_token_shortcut
    from core.zero123.model import build_model, denoise

    model = scramble(build_model(tiny_config(), seed=1), seed=2)
    use_single_token_shortcut(model)
    z = torch.ones(1, 4, 8, 8)
    context = torch.ones(1, 1, 48)
    with torch.no_grad():
        first = denoise(model, z, 5, context, z)
        context.mul_(2)
        second = denoise(model, z, 5, context, z)
        scramble(model, seed=5)
        third = denoise(model, z, 5, context, z)
        fresh = denoise(model, z, 5, context.clone(), z)
    assert not torch.allclose(first, second)
    assert torch.equal(third, fresh)


def test_a_sampling_run_computes_every_value_once() -> None:
    import copy

    import torch

    from core.zero123.attention import use_single_token_shortcut
    from core.zero123.model import build_model

    model = scramble(build_model(tiny_config(), seed=1), seed=2)
    use_single_token_shortcut(model)
    layers = [module for name, module in model.unet.named_modules() if name.endswith("attn2.to_v")]
    calls: list[int] = []
    for layer in layers:
        layer.register_forward_hook(lambda *_: calls.append(1))
    z = torch.ones(2, 4, 8, 8)
    ddim(model, z, torch.ones(2, 1, 48), z, visited=[900, 600, 300], guidance=3.0)
    assert len(calls) == len(layers)
    assert copy.deepcopy(model.unet).conv_in.weight.shape == model.unet.conv_in.weight.shape


def test_the_short_cut_has_the_same_gradients(tiny: Any) -> None:
    import torch

    from core.zero123.attention import use_single_token_shortcut
    from core.zero123.model import build_model, denoise

    model = scramble(build_model(tiny_config(), seed=1), seed=2)
    use_single_token_shortcut(model)
    use_single_token_shortcut(tiny, on=False)
    grads = []
    for each in (tiny, model):
        z = torch.full((1, 4, 8, 8), 0.3, requires_grad=True)
        context = torch.linspace(-1, 1, 48).view(1, 1, 48).requires_grad_()
        denoise(each, z, 300, context, z.detach()).square().sum().backward()
        grads.append((z.grad, context.grad))
    assert relative(grads[1][0], grads[0][0]) < 1e-4
    assert relative(grads[1][1], grads[0][1]) < 1e-4


def test_configurations_are_rebuilt_from_models(tiny: Any) -> None:
    from core.zero123.model import build_model, config_of

    again = build_model(replace(config_of(tiny), name="again"), seed=1)
    assert {key: value.shape for key, value in again.unet.state_dict().items()} == {
        key: value.shape for key, value in tiny.unet.state_dict().items()
    }


def test_building_is_seeded_and_leaves_the_global_generator_alone() -> None:
    import torch

    from core.zero123.model import build_model

    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    one, other = build_model(tiny_config(), seed=5), build_model(tiny_config(), seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.unet.parameters(), other.unet.parameters(), strict=True))
    assert all(
        torch.equal(a, b) for a, b in zip(one.image_encoder.parameters(), other.image_encoder.parameters(), strict=True)
    )
