"""The released mathematics against recorded numbers (shared/parity e and f): relative to the largest value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from core.cameras import camera_rays
from core.sjc import losses, score
from core.sjc.field import Voxels, color_at, sigma_at
from core.sjc.released import Draw, InputView, ReleasedSettings, look_at, released_gradients, render_pose
from core.sjc.released_mesh import released_mesh
from core.sjc.renderer import render

pytestmark = pytest.mark.shared
FORWARD, GRADIENT = 1e-5, 1e-4


def close(actual: torch.Tensor | np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    actual = actual.detach().numpy() if isinstance(actual, torch.Tensor) else np.asarray(actual)
    assert actual.shape == expected.shape
    worst = np.abs(actual.astype(np.float64) - expected).max()
    assert worst <= tolerance * np.abs(expected).max(), f"{worst:.3g} of {np.abs(expected).max():.3g}"


def tensor(array: np.ndarray, grad: bool = False) -> torch.Tensor:
    return torch.from_numpy(np.array(array)).requires_grad_(grad)


@pytest.fixture(scope="module")
def fields(shared_dir: Path) -> Any:
    return np.load(shared_dir / "parity/e_voxrf/voxrf.npz")


@pytest.fixture(scope="module")
def recorded(shared_dir: Path) -> Any:
    return np.load(shared_dir / "parity/f_losses/losses.npz")


@pytest.fixture(scope="module")
def meta(shared_dir: Path) -> Any:
    return json.loads((shared_dir / "parity/f_losses/meta.json").read_text())


def voxels_of(archive: Any, prefix: str, grad: bool = True) -> Voxels:
    density, color, scale = (archive[f"{prefix}.{name}"] for name in ("density", "color", "d_scale"))
    return Voxels(tensor(density, grad), tensor(color, grad), tensor(scale, grad))


@pytest.mark.parametrize("name", ["cube24", "aniso"])
def test_density_and_color_at_points(fields: Any, name: str) -> None:
    voxels, points = voxels_of(fields, name), tensor(fields[f"{name}.probe_xyz"])
    close(sigma_at(voxels, points), fields[f"{name}.probe_sigma"], FORWARD)
    close(color_at(voxels, points), fields[f"{name}.probe_color"], FORWARD)


@pytest.mark.parametrize("case", ["cube24.cam0", "cube24.cam1", "aniso.cam0", "aniso.cam1", "aniso.cam2"])
def test_rendering_and_its_gradients(fields: Any, case: str) -> None:
    from torch.nn.functional import interpolate

    voxels = voxels_of(fields, case.partition(".")[0])
    side = fields[f"{case}.latent"].shape[-1]
    white = tensor(fields["white_bg_latent_32"])[None]
    background = interpolate(white, size=(side, side), mode="bilinear", align_corners=False)[0]
    rays = camera_rays(fields[f"{case}.K"], fields[f"{case}.c2w"], side, side)
    origins, directions = (torch.from_numpy(a).float() for a in rays)
    close(origins, fields[f"{case}.ro"], FORWARD)
    close(directions, fields[f"{case}.rd"], FORWARD)
    seen = render(voxels, origins, directions, side, side, background)
    for key in ("image", "depth", "weights"):
        close(getattr(seen, key), fields[f"{case}.{key.replace('image', 'latent')}"], FORWARD)
    cotangents = {key: tensor(fields[f"{case}.cot_{key}"]) for key in ("latent", "depth", "weights")}
    total = (seen.image * cotangents["latent"]).sum() + (seen.depth * cotangents["depth"]).sum()
    (total + (seen.weights * cotangents["weights"]).sum()).backward()
    for grad, key in zip(voxels.tensors(), ("density", "color", "d_scale"), strict=True):
        assert grad.grad is not None
        close(grad.grad, fields[f"{case}.grad_{key}"], GRADIENT)


def test_the_released_extraction(fields: Any, shared_dir: Path) -> None:
    figures = json.loads((shared_dir / "parity/e_voxrf/meta.json").read_text())["mesh"]
    mesh = released_mesh(voxels_of(fields, "cube24", grad=False))
    close(mesh.eroded, fields["mesh.sigma_eroded"], FORWARD)
    assert mesh.threshold == pytest.approx(figures["threshold"], rel=1e-5)
    # another marching cubes numbers its vertices otherwise: the same points and the same oriented triangles
    expected = fields["mesh.vertices"]
    distance, index = cKDTree(expected).query(mesh.vertices)
    assert sorted(index) == list(range(len(expected)))
    assert distance.max() <= FORWARD * np.abs(expected).max()
    assert triangles(index[mesh.faces]) == triangles(fields["mesh.faces"])


def triangles(faces: np.ndarray) -> set[tuple[int, ...]]:
    """Oriented triangles, each starting at its smallest vertex."""
    first = np.argmin(faces, 1)
    return {tuple(int(v) for v in np.roll(face, -k)) for face, k in zip(faces, first, strict=True)}


def test_depth_smoothness(recorded: Any) -> None:
    depth = tensor(recorded["depth_smooth.depth"], True)
    loss = losses.depth_smoothness(depth)
    loss.backward()
    close(loss, recorded["depth_smooth.loss"], FORWARD)
    close(depth.grad, recorded["depth_smooth.grad"], GRADIENT)


@pytest.mark.parametrize("case", [0, 1, 2])
def test_emptiness(recorded: Any, meta: Any, case: int) -> None:
    weights, setting = tensor(recorded["emptiness.ws"], True), meta[f"emptiness{case}"]
    progress = setting["step"] / setting["n_steps"]
    form = losses.emptiness(weights, progress, scale=setting["scale"], growth=setting["multiplier"])
    loss = setting["weight"] * form
    loss.backward()
    close(loss, recorded[f"emptiness{case}.loss"], FORWARD)
    close(weights.grad, recorded[f"emptiness{case}.grad"], GRADIENT)


def test_emptiness_of_the_text_form(recorded: Any) -> None:
    weights = tensor(recorded["emptiness.ws"], True)
    loss = losses.emptiness_text(weights)
    loss.backward()
    close(loss, recorded["emptiness_sjc_original.loss"], FORWARD)
    close(weights.grad, recorded["emptiness_sjc_original.grad"], GRADIENT)


def test_near_view_reaches_both_views(recorded: Any) -> None:
    names = ("y", "y_near", "depth", "depth_near")
    values = [tensor(recorded[f"near.{name}"], True) for name in names]
    loss = losses.near_view(*values)
    loss.backward()
    close(loss, recorded["near.loss"], FORWARD)
    for value, name in zip(values, names, strict=True):
        close(value.grad, recorded[f"near.grad_{name}"], GRADIENT)


def test_input_view(recorded: Any) -> None:
    predicted = tensor(recorded["rgb.pred"], True)
    loss = losses.input_view(predicted, tensor(recorded["rgb.target"]))
    loss.backward()
    close(loss, recorded["rgb.loss"], FORWARD)
    close(predicted.grad, recorded["rgb.grad_pred"], GRADIENT)


def test_sigma_table_is_that_of_the_schedule(recorded: Any, meta: Any) -> None:
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    table = score.sigma_table(np.cumprod(1 - betas))
    close(table, recorded["sigma_table_desc"], 1e-6)
    drawn = table[score.RELEASED_SLICE]
    assert len(drawn) == meta["sigma"]["n_sampled"]
    assert drawn[[0, -1]] == pytest.approx([meta["sigma"]["sampled_max"], meta["sigma"]["sampled_min"]], rel=1e-6)


@pytest.mark.parametrize("case", [0, 1, 2])
def test_score_at_each_sigma(recorded: Any, meta: Any, case: int) -> None:
    image, noise = tensor(recorded["sjc.y"]), tensor(recorded["sjc.noise"])
    sigma = tensor(recorded[f"sjc{case}.sigma"])
    _, z = score.perturb(image, noise, sigma)
    close(torch.cat([z, z]), recorded[f"sjc{case}.unet_input"], FORWARD)
    uncond, cond = tensor(recorded["sjc.eps_uncond"]), tensor(recorded["sjc.eps_cond"])
    eps = score.guided(uncond, cond, meta[f"sjc{case}"]["guidance_scale"])
    for reduced in (True, False):
        chained = score.chain(image, noise, sigma, eps, reduce_variance=reduced)
        close(chained.denoised, recorded[f"sjc{case}.D"], FORWARD)
        close(chained.gradient, recorded[f"sjc{case}.dL_dy_var_red_{reduced}"], GRADIENT)


@pytest.fixture(scope="module")
def loop(shared_dir: Path) -> Any:
    return np.load(shared_dir / "parity/f_losses/loop.npz")


@pytest.fixture(scope="module")
def white(fields: Any) -> torch.Tensor:
    return tensor(fields["white_bg_latent_32"])


def input_view_of(loop: Any) -> InputView:
    photo = torch.from_numpy(loop["input_image_01_hwc_u8"]).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    return InputView(loop["input_c2w"].astype(np.float64), photo.contiguous())


def no_decoder(latent: torch.Tensor) -> torch.Tensor:
    raise AssertionError("this run has no input-view term")


SINGLE = {
    "sjc_only": {"smooth_weight": 0.0, "near_weight": 0.0, "train_view": False},
    "near_only_plus_sjc": {"smooth_weight": 0.0, "train_view": False},
    "emptiness_plus_sjc": {
        "smooth_weight": 0.0,
        "near_weight": 0.0,
        "emptiness_weight": 1e4,
        "train_view": False,
    },
    "input_smooth_plus_sjc": {"near_weight": 0.0, "view_weight": 0.0},
}


@pytest.mark.parametrize("name", list(SINGLE))
def test_runs_of_a_single_term(loop: Any, white: torch.Tensor, name: str) -> None:
    voxels = voxels_of(loop, "init")
    draw = Draw(
        loop[f"{name}.pose_c2w"],
        look_at(loop[f"{name}.near_eye"], (0, 0, 1)),
        float(loop[f"{name}.sigma"]),
        tensor(loop[f"{name}.noise"]),
    )
    eps = tensor(loop[f"{name}.guided_eps"])[None]
    settings = ReleasedSettings(**SINGLE[name])
    trace = released_gradients(
        voxels, draw, input_view_of(loop), loop["K"], white, lambda *_: eps, no_decoder, settings, 0, 1
    )
    close(trace.target.image, loop[f"{name}.target.latent"], FORWARD)
    close(trace.target.depth, loop[f"{name}.target.depth"], FORWARD)
    for value, key in zip(voxels.tensors(), ("density", "color", "d_scale"), strict=True):
        close(value.grad, loop[f"{name}.grad.{key}"], GRADIENT)


def test_input_camera_of_the_loop_renders_what_was_recorded(loop: Any, white: torch.Tensor) -> None:
    seen = render_pose(voxels_of(loop, "init"), loop["K"], loop["input_c2w"].astype(np.float64), 32, white)
    close(seen.image, loop["step0.input.latent"], FORWARD)
    close(seen.depth, loop["step0.input.depth"], FORWARD)
