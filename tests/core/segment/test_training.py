"""Training of the starter segmenter: its data, its loss, its export, its resumption."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from core.segment.composites import KINDS, compose, vary
from core.segment.products import flat_product
from core.segment.textures import make_texture


@pytest.fixture(scope="module")
def stock() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    textures = [make_texture(rng, 96) for _ in range(8)]
    return [flat_product(rng, texture, 96) for texture in textures], textures


def test_same_seed_same_photo(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    products, textures = stock
    first, second = (compose(np.random.default_rng(7), products, textures, 96) for _ in range(2))
    assert (first.rgb == second.rgb).all()
    assert (first.alpha == second.alpha).all()
    assert (compose(np.random.default_rng(8), products, textures, 96).rgb != first.rgb).any()


@pytest.mark.parametrize("kind", KINDS)
def test_masks_say_what_is_in_the_photo(stock: tuple[list[np.ndarray], list[np.ndarray]], kind: str) -> None:
    from scipy.ndimage import label

    products, textures = stock
    for seed in range(6):
        sample = compose(np.random.default_rng(seed), products, textures, 128, kind)
        assert sample.rgb.shape == (128, 128, 3)
        assert sample.rgb.dtype == np.uint8
        assert sample.alpha.shape == (128, 128)
        assert 0 <= sample.alpha.min() <= sample.alpha.max() <= 1
        if kind == "nothing":
            assert sample.alpha.max() == 0
        elif kind == "several":
            assert label(sample.alpha > 0.5)[1] >= 2
        else:
            assert 0.005 < (sample.alpha > 0.5).mean() < 0.98


def test_recolouring_keeps_the_shape(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    product = stock[0][0]
    for seed in range(5):
        alpha = vary(np.random.default_rng(seed), product)[..., 3]
        assert (alpha == product[..., 3]).all() or (alpha == product[:, ::-1, 3]).all()


def test_photos_are_normalised_as_rembg_does(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    from PIL import Image
    from rembg.sessions.u2net_custom import U2netCustomSession

    from core.segment.training import batch

    class Session(U2netCustomSession):
        def __init__(self) -> None:
            self.inner_session = self

        def get_inputs(self) -> list[object]:
            return [type("Input", (), {"name": "photo"})()]

    sample = compose(np.random.default_rng(3), *stock, 320)
    theirs = Session().normalize(Image.fromarray(sample.rgb), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (320, 320))[
        "photo"
    ]
    assert np.abs(batch([sample])[0].numpy() - theirs).max() < 1e-5


def test_loss_has_its_closed_form() -> None:
    import torch

    from core.segment.training import mask_loss

    empty = torch.zeros(1, 1, 16, 16)
    assert mask_loss(torch.zeros(1, 1, 16, 16), empty).item() == pytest.approx(math.log(2))
    full = torch.ones(1, 1, 16, 16)  # no outline; soft IoU of one half everywhere is one half
    assert mask_loss(torch.zeros(1, 1, 16, 16), full).item() == pytest.approx(math.log(2) + 0.5, abs=1e-4)
    assert mask_loss(20 * (full * 2 - 1), full).item() == pytest.approx(0, abs=1e-4)


def test_learning_rate_warms_up_and_falls() -> None:
    from core.segment.training import LEARNING_RATE, learning_rate

    assert learning_rate(0, 0.0) == pytest.approx(LEARNING_RATE / 50)
    assert learning_rate(1000, 0.0) == pytest.approx(LEARNING_RATE)
    assert learning_rate(1000, 1.0) == pytest.approx(LEARNING_RATE / 50)


def test_the_exported_file_computes_what_the_network_does(tmp_path: Path) -> None:
    import torch
    from torch.nn import functional as F

    from core.segment import load_segmenter
    from core.segment.network import DEVIATION, MEAN, SIDE, build_network, export_onnx

    torch.manual_seed(0)
    network = build_network().eval()
    path = tmp_path / "network.onnx"
    path.write_bytes(export_onnx(network, 64, half=False))
    rgb = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    rgb[0, 0] = 255
    photo = torch.tensor((rgb / 255 - MEAN) / DEVIATION, dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.no_grad():
        small = F.interpolate(photo, size=(64, 64), mode="bilinear")
        expected = torch.sigmoid(F.interpolate(network(small), size=(SIDE, SIDE), mode="bilinear"))[0, 0].numpy()
    assert np.abs(load_segmenter(path).raw_mask(rgb) - expected).max() < 1e-4
    half = tmp_path / "half.onnx"
    half.write_bytes(export_onnx(network, 64))
    assert half.stat().st_size < 0.6 * path.stat().st_size
    assert np.abs(load_segmenter(half).raw_mask(rgb) - expected).max() < 0.02


@pytest.mark.slow
def test_training_resumes_where_it_stopped(tmp_path: Path) -> None:
    from core.segment.training import train_segmenter

    train_segmenter(tmp_path, 0.1, seed=3, first_products=4)
    before = json.loads((tmp_path / "metrics.json").read_text())["steps"]
    path = train_segmenter(tmp_path, 0.3, seed=3, first_products=4)
    after = json.loads((tmp_path / "metrics.json").read_text())
    assert after["steps"] > before > 0
    assert set(after["held_out"]) == set(KINDS)
    assert path.stat().st_size < 6_000_000
